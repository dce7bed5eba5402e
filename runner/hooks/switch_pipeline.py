"""Another way of preparing the training samples from one epoch on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from runner.dataset import Compose
from runner.dataset import DataLoader as KeyedDataLoader
from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval, Slot

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["SwitchPipelineHook"]

_ATTRIBUTES = ("pipeline", "transform", "transforms")
"""Where data sets hold what is done to a sample: ours, then torchvision's two ways."""


class SwitchPipelineHook(Hook):
    """Replaces the transforms of the training data set from one epoch on, such as strong augmentations at the end.

    Workers that live on from epoch to epoch are started anew once, since each has a copy of the data set.

    Args:
        switch_epoch: The first epoch, from 0, that is read with the new transforms.
        switch_pipeline: The new transforms, first to last.
    """

    def __init__(
        self,
        switch_epoch: Annotated[int, Interval(ge=0)],
        switch_pipeline: Annotated[Sequence[Callable[[Any], Any]], Slot("transform")],
    ) -> None:
        self.switch_epoch = switch_epoch
        self.switch_pipeline = list(switch_pipeline)
        self._has_switched = False

    def before_train(self, runner: Runner) -> None:
        """Refuse a loop whose epochs are none.

        Raises:
            BuildError: The loop trains by iterations, or the data set holds no transforms.
        """
        if not runner.train_loop.epochs_are_passes:
            raise BuildError("SwitchPipelineHook counts epochs, and this training goes by iterations")
        _holders(runner.train_loop.dataloader.dataset)

    def before_train_epoch(self, runner: Runner) -> None:
        """Switch; after a resume too, where the epoch is past the switch."""
        if self._has_switched or runner.epoch < self.switch_epoch:
            return
        self._has_switched = True
        loader = runner.train_loop.dataloader
        for holder, name in _holders(loader.dataset):
            setattr(holder, name, Compose(self.switch_pipeline))
        if isinstance(loader, KeyedDataLoader):
            loader.restart_workers()
        runner.logger.info(f"the training samples are prepared anew from epoch {runner.epoch + 1} on")


def _holders(dataset: Any) -> list[tuple[Any, str]]:
    """The data sets that hold transforms, with the attribute that does, below those that only pass samples on."""
    there = [name for name in _ATTRIBUTES if name in vars(dataset)]
    if there:
        return [(dataset, next((name for name in there if getattr(dataset, name) is not None), there[0]))]
    inner = [*getattr(dataset, "datasets", ()), *([dataset.dataset] if hasattr(dataset, "dataset") else ())]
    if not inner:
        raise BuildError(
            f"SwitchPipelineHook: {type(dataset).__name__} holds no transforms in any of {', '.join(_ATTRIBUTES)}"
        )
    return [found for each in inner for found in _holders(each)]
