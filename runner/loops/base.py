"""The contract of a loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["BaseLoop"]


class BaseLoop(ABC):
    """What is done with each batch, and when to stop.

    A training loop counts in `_epoch` and `_iter`, and has `epoch`, `iter`, `max_epochs` and `max_iters`; the rest of what
    the engine asks one for is here. A loop that keeps state beside its counters may have `state_dict()` and
    `load_state_dict(state)`: plain data, which goes into the checkpoint.

    Attributes:
        epochs_are_passes: Whether each epoch is a pass over the data, so that its end is the data's end too.
        in_step: Whether a batch was taken whose step is not finished: from before the hooks of `before_train_iter` until
            after those of `after_train_iter`.
        micro_batch: Samples that are taken at once since a step ran out of memory; None elsewhere. Each rank has its own,
            and a checkpoint holds them.
        awaited_batch: The number, in its epoch, of the batch that the loader was asked for and has not given yet; None
            elsewhere, and in a loop that asks its loader itself.
        is_measuring: Whether a validation or test has begun whose metrics are not there yet.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
    """

    epochs_are_passes: ClassVar[bool] = True
    in_step: bool = False
    is_measuring: bool = False
    micro_batch: int | None = None
    awaited_batch: int | None = None
    max_epochs: Any
    max_iters: Any

    def __init__(self, runner: Runner, dataloader: DataLoader[Any] | dict[str, Any]) -> None:
        self._runner = runner
        self.dataloader: DataLoader[Any] = runner.build_dataloader(dataloader)

    @property
    def runner(self) -> Runner:
        """The runner that the loop belongs to."""
        return self._runner

    @property
    def schedule_epochs(self) -> int:
        """Epochs that a schedule by epochs lasts where its config gives no `end`; a loop that starts over says fewer."""
        return int(self.max_epochs)

    @property
    def schedule_iters(self) -> int:
        """Iterations that a schedule by iterations lasts where its config gives no `end`."""
        return int(self.max_iters)

    def restore(self, epoch: int, iteration: int) -> None:
        """Go on after `iteration` steps, `epoch` whole epochs."""
        self._epoch = epoch
        self._iter = iteration

    def skip_validation(self) -> None:  # noqa: B027 - not every loop validates
        """Told after `restore` where no validation of that position is due any more; a loop that makes one heeds it."""

    @abstractmethod
    def run(self) -> Any:
        """Run the whole loop."""
