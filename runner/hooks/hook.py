"""The contract of a training hook: the 22 points at which it is called, and what it may ask there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runner.hooks.priority import Priority

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["DELEGATES", "Hook", "overrides"]

DELEGATES: Final[Mapping[str, str]] = {
    f"{when}_{mode}_{what}": f"_{when}_{what}"
    for mode in ("train", "val", "test")
    for when in ("before", "after")
    for what in ("epoch", "iter")
}
"""Which common method stands behind a point: `_after_iter` behind `after_train_iter`, `after_val_iter`, `after_test_iter`."""


class Hook:
    """Base class of hooks: override the points that you need, the others cost nothing.

    A hook that keeps numbers of its own across a resume returns them from `state_dict`: plain data, tensors and NumPy
    values. They go into the checkpoint and come back through `load_state_dict`, before `before_train`.

    Attributes:
        priority: When the hook is called among the others; a class's default, which a config's `priority` overrides.
        stages: The points, in the order in which they are first reached.
    """

    priority: int | str | Priority = "NORMAL"
    stages: ClassVar[tuple[str, ...]] = (
        "before_run",
        "after_load_checkpoint",
        "before_train",
        "before_train_epoch",
        "before_train_iter",
        "after_train_iter",
        "after_train_epoch",
        "before_val",
        "before_val_epoch",
        "before_val_iter",
        "after_val_iter",
        "after_val_epoch",
        "after_val",
        "before_save_checkpoint",
        "after_train",
        "before_test",
        "before_test_epoch",
        "before_test_iter",
        "after_test_iter",
        "after_test_epoch",
        "after_test",
        "after_run",
    )

    def before_run(self, runner: Runner) -> None:
        """Is called at the start of `train`, `val` and `test`, before the weights are loaded."""

    def after_run(self, runner: Runner) -> None:
        """Is called at the end of `train`, `val` and `test`."""

    def before_train(self, runner: Runner) -> None:
        """Is called once everything is built and loaded, before the first epoch."""

    def after_train(self, runner: Runner) -> None:
        """Is called after the last epoch."""

    def before_val(self, runner: Runner) -> None:
        """Is called before a validation."""

    def after_val(self, runner: Runner) -> None:
        """Is called after a validation."""

    def before_test(self, runner: Runner) -> None:
        """Is called before a test."""

    def after_test(self, runner: Runner) -> None:
        """Is called after a test."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Is called before a checkpoint is written.

        Args:
            runner: The runner of the process.
            checkpoint: What will be written; the hook may change it and add to it.
        """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Is called when a checkpoint was read, before its weights go into the model.

        Args:
            runner: The runner of the process.
            checkpoint: What was read; the hook may change it.
        """

    def before_train_epoch(self, runner: Runner) -> None:
        """Is called before a training epoch."""
        self._before_epoch(runner, mode="train")

    def before_val_epoch(self, runner: Runner) -> None:
        """Is called before the first batch of a validation."""
        self._before_epoch(runner, mode="val")

    def before_test_epoch(self, runner: Runner) -> None:
        """Is called before the first batch of a test."""
        self._before_epoch(runner, mode="test")

    def after_train_epoch(self, runner: Runner) -> None:
        """Is called after a training epoch; `runner.epoch` does not count it yet."""
        self._after_epoch(runner, mode="train")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Is called when a validation's metrics are known.

        Args:
            runner: The runner of the process.
            metrics: The metrics, in the order in which they were computed.
        """
        self._after_epoch(runner, mode="val")

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Is called when a test's metrics are known.

        Args:
            runner: The runner of the process.
            metrics: The metrics, in the order in which they were computed.
        """
        self._after_epoch(runner, mode="test")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Is called before a training step.

        Args:
            runner: The runner of the process.
            batch_idx: The batch's index in the epoch, from 0.
            data_batch: The batch as the data loader gave it.
        """
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="train")

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Is called before a validation step; the arguments are those of `before_train_iter`."""
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="val")

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Is called before a test step; the arguments are those of `before_train_iter`."""
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="test")

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Is called after a training step; `runner.iter` does not count it yet.

        Args:
            runner: The runner of the process.
            batch_idx: The batch's index in the epoch, from 0.
            data_batch: The batch as the data loader gave it.
            outputs: What `train_step` returned: losses, still tensors.
        """
        self._after_iter(runner, batch_idx=batch_idx, data_batch=data_batch, outputs=outputs, mode="train")

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Is called after a validation step.

        Args:
            runner: The runner of the process.
            batch_idx: The batch's index, from 0.
            data_batch: The batch as the data loader gave it.
            outputs: What `val_step` returned.
        """
        self._after_iter(runner, batch_idx=batch_idx, data_batch=data_batch, outputs=outputs, mode="val")

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Is called after a test step; the arguments are those of `after_val_iter`."""
        self._after_iter(runner, batch_idx=batch_idx, data_batch=data_batch, outputs=outputs, mode="test")

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        """Stands behind the three `before_*_epoch`; `mode` is `train`, `val` or `test`."""

    def _after_epoch(self, runner: Runner, mode: str = "train") -> None:
        """Stands behind the three `after_*_epoch`; `mode` is `train`, `val` or `test`."""

    def _before_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, mode: str = "train") -> None:
        """Stands behind the three `before_*_iter`; `mode` is `train`, `val` or `test`."""

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | dict[str, Any] | None = None,
        mode: str = "train",
    ) -> None:
        """Stands behind the three `after_*_iter`; `mode` is `train`, `val` or `test`."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs of this hook; an empty one is not saved."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned when the checkpoint was written."""

    def every_n_epochs(self, runner: Runner, n: int, start: int = 0) -> bool:
        """Whether the epoch that is being trained is an n-th one, counted from `start`; never for `n` below 1."""
        passed = runner.epoch + 1 - start
        return n > 0 and passed >= 0 and passed % n == 0

    def every_n_inner_iters(self, batch_idx: int, n: int) -> bool:
        """Whether this batch is an n-th one of its epoch; never for `n` below 1."""
        return n > 0 and (batch_idx + 1) % n == 0

    def every_n_train_iters(self, runner: Runner, n: int, start: int = 0) -> bool:
        """Whether the iteration that is being trained is an n-th one, counted from `start`; never for `n` below 1."""
        passed = runner.iter + 1 - start
        return n > 0 and passed >= 0 and passed % n == 0

    def end_of_epoch(self, dataloader: Sized, batch_idx: int) -> bool:
        """Whether this batch is the last one of the data loader."""
        return batch_idx + 1 == len(dataloader)

    def is_last_train_epoch(self, runner: Runner) -> bool:
        """Whether the epoch that is being trained is the last one."""
        return runner.epoch + 1 == runner.max_epochs

    def is_last_train_iter(self, runner: Runner) -> bool:
        """Whether the iteration that is being trained is the last one."""
        return runner.iter + 1 == runner.max_iters

    def get_triggered_stages(self) -> list[str]:
        """Return the points at which this hook does something, in the order of `stages`."""
        return [stage for stage in Hook.stages if overrides(self, stage)]


def overrides(hook: Hook, point: str) -> bool:
    """Whether a hook does something at a point.

    Args:
        hook: The hook.
        point: One of `Hook.stages`, or the name of a method that a custom loop calls.
    """
    method = getattr(hook, point, None)
    if not callable(method):
        return False
    if getattr(method, "__func__", None) is not getattr(Hook, point, None):
        return True
    delegate = DELEGATES.get(point)
    return delegate is not None and getattr(hook, delegate).__func__ is not getattr(Hook, delegate)
