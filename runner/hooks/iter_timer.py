"""Measures how long steps take and how long it will be until the end."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["IterTimerHook"]


class IterTimerHook(Hook):
    """Records the seconds that a step takes (`MODE/time`) and those in it that the batch took (`MODE/data_time`).

    The fact `eta` is the number of seconds until the training, validation or test ends. The clock is read without
    waiting for the device: with a device that works in the background, `time` is right on average, since the queue
    is finite, and not for a single step.
    """

    priority = "NORMAL"

    def __init__(self) -> None:
        self._last = 0.0
        self._train_seconds = 0.0
        self._first_iter = 0
        self._max_iters = 0
        self._eval_seconds = 0.0
        self._eval_steps: int | None = None

    def before_train(self, runner: Runner) -> None:
        """Measure from here: a resumed run knows nothing of the speed of the machine before."""
        self._first_iter = runner.iter
        self._train_seconds = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._max_iters = runner.max_iters
        self._last = perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Record how long the batch took."""
        runner.message_hub.update_scalar("train/data_time", perf_counter() - self._last)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Record how long the step took."""
        now = perf_counter()
        seconds = now - self._last
        self._last = now
        self._train_seconds += seconds
        hub, step = runner.message_hub, runner.iter + 1
        hub.update_scalar("train/time", seconds)
        hub.update_info("eta", self._train_seconds / (step - self._first_iter) * (self._max_iters - step))

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        self._eval_seconds = 0.0
        loader: Any = runner.val_dataloader if mode == "val" else runner.test_dataloader
        try:
            self._eval_steps = len(loader)
        except TypeError:  # an iterable dataset does not know its length
            self._eval_steps = None
        self._last = perf_counter()

    def _before_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, mode: str = "train") -> None:
        runner.message_hub.update_scalar(f"{mode}/data_time", perf_counter() - self._last)

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | dict[str, Any] | None = None,
        mode: str = "train",
    ) -> None:
        now = perf_counter()
        seconds = now - self._last
        self._last = now
        self._eval_seconds += seconds
        runner.message_hub.update_scalar(f"{mode}/time", seconds)
        if self._eval_steps is not None:
            left = max(0, self._eval_steps - batch_idx - 1)
            runner.message_hub.update_info("eta", self._eval_seconds / (batch_idx + 1) * left)

    def after_val(self, runner: Runner) -> None:
        """Let the next training step not count what the validation took."""
        self._last = perf_counter()
