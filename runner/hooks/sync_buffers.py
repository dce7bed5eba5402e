"""Gives all ranks the same buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner import dist
from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["SyncBuffersHook"]


class SyncBuffersHook(Hook):
    """Averages the model's buffers, such as batch norm's statistics, over all ranks after each training epoch.

    In a run by iterations it does so before each validation. A run of one process is left alone.
    """

    priority = "NORMAL"

    def __init__(self) -> None:
        self._is_done = False

    def before_val_epoch(self, runner: Runner) -> None:
        """Average the buffers, unless the end of the epoch has just done so."""
        if not self._is_done:
            self._average(runner)
        self._is_done = False

    def after_train_epoch(self, runner: Runner) -> None:
        """Average the buffers."""
        self._average(runner)
        self._is_done = True

    def state_dict(self) -> dict[str, Any]:
        """Whether the validation that follows finds the buffers averaged: a second time would round them once more."""
        return {"is_done": self._is_done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._is_done = bool(state_dict["is_done"])

    def _average(self, runner: Runner) -> None:
        if runner.world_size > 1:
            dist.all_reduce_params(runner.model.buffers(), op="mean")
