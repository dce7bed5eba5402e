"""Leaving a run that a signal asked to, with a checkpoint that it goes on from exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from runner.dataset import DataLoader
from runner.dist.sharding import is_sharded
from runner.errors import Stopped, StorageError
from runner.hooks.hook import Hook
from runner.watch.fence import Fence, Place

if TYPE_CHECKING:
    from runner.checkpoint import CheckpointStore
    from runner.runner import Runner
    from runner.watch.signals import StopSignals

__all__ = ["StopHook", "replace_older"]

FILENAME = "stopped_iter_{}.pth"


class StopHook(Hook):
    """Leaves where a signal asked to: at the end of the step, at the next batch of a validation, or amid a wait for data.

    All ranks leave at the same place, whichever of them was asked. Each then saves one checkpoint together, named
    `stopped_iter_N.pth`, which replaces the one of the last time, and raises `Stopped`. A validation that is left is made
    again after the resumption. With several processes a wait for data is not left before its step is done, and a
    validation of a sharded model not before its end.

    Args:
        signals: What the command was told.
    """

    priority = "LOWEST"

    def __init__(self, signals: StopSignals) -> None:
        self.signals = signals
        self._fence: Fence | None = None
        self._runner: Runner | None = None
        self._round = 0
        self._measures = False

    def before_train(self, runner: Runner) -> None:
        """Begin to listen: from here on, there is something to save."""
        self._round += 1
        if self._runner is None:
            self._runner = runner
            if runner.world_size > 1:
                self._fence = Fence(self._place(runner.iter, 0), self._asked)
            self.signals.leave_at_once = self._is_waiting_for_data

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Leave, once all else at the step's end is done."""
        if self._runner is None:
            return
        place = self._place(runner.iter + 1, 0)
        if self._must_leave(place):
            self.leave(runner)

    def before_val_batches(self, runner: Runner) -> None:
        """A validation may be left from here on, where it is part of a training."""
        self._measures = self._runner is not None and not (
            self._fence is not None and is_sharded(runner.unwrapped_model)
        )

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leave amid a validation: ranks may have come to different batches."""
        if not self._measures:
            return
        place = self._place(runner.iter + (runner.finishing == "iter"), 1)
        if self._must_leave(place, passes=False):
            self.leave(runner)

    def before_val_metrics(self, runner: Runner) -> None:
        """Ranks are about to put their results together: whoever comes here stays until that is done."""
        if self._measures and self._must_leave(self._place(runner.iter + (runner.finishing == "iter"), 1)):
            self.leave(runner)
        self._measures = False

    def after_train(self, runner: Runner) -> None:
        """All is trained: what comes now is not worth leaving."""
        self._listen_no_more()

    def close(self) -> None:
        """Let the other ranks go; called where they meet no more."""
        if self._fence is not None:
            self._fence.close()

    @property
    def listens(self) -> bool:
        """Whether there is a run that could be saved."""
        return self._runner is not None

    def _listen_no_more(self) -> None:
        if self._fence is not None:
            self._fence.pass_all()
        self._runner, self._measures = None, False
        self.signals.leave_at_once = lambda: False

    def leave(self, runner: Runner) -> None:
        """Save, and raise `Stopped`.

        Raises:
            Stopped: Always.
        """
        reason = self._fence.reason if self._fence is not None else self._asked() or "asked to"
        self._listen_no_more()
        finished = runner.iter + (runner.finishing == "iter" and runner.train_loop.in_step)
        name = FILENAME.format(finished)
        runner.logger.warning(f"{reason}: saving {name}, and leaving")
        folder = runner.store.folder
        runner.save_checkpoint(str(folder), name)
        if runner.rank == 0:
            replace_older(runner.store, name, runner.logger.warning)
        raise Stopped(reason, checkpoint=str(folder / name), iteration=finished)

    def _must_leave(self, place: Place, *, passes: bool = True) -> bool:
        if self._fence is None:
            return self.signals.received is not None
        return self._fence.must_leave(place, passes=passes)

    def _place(self, iteration: int, stage: int) -> Place:
        return Place(self._round, iteration, stage)

    def _asked(self) -> str | None:
        if self.signals.received is None:
            return None
        return "the watchdog" if self.signals.hangs else self.signals.received.name

    def _is_waiting_for_data(self) -> bool:
        """Whether the only process waits for a batch that it has not been given yet; asked amid that wait."""
        runner = self._runner
        if runner is None or self._fence is not None:
            return False
        loop = runner.train_loop
        loader = loop.dataloader
        return isinstance(loader, DataLoader) and loader.state_dict()["batch"] == loop.awaited_batch


def replace_older(store: CheckpointStore, name: str, warn: Callable[[str], object]) -> None:
    """Delete what earlier stops saved; where that fails, it is said, and the stop is none the worse for it.

    Args:
        store: Where they lie.
        name: What this one saved.
        warn: Is told what is left.
    """
    try:
        for older in sorted(store.storage.names()):
            if PurePath(older).match(FILENAME.format("*")) and older != name:
                store.remove(older)
    except (OSError, StorageError) as error:
        warn(f"{name} is saved, and older ones of its kind are left in {store.folder}: {error}")
