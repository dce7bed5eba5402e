"""Gives the accelerator's memory back that torch keeps for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["EmptyCacheHook"]


class EmptyCacheHook(Hook):
    """Releases the memory that torch has reserved on the accelerator and does not use, so that others can have it.

    For every accelerator that torch knows. It does not give the run itself more memory, and takes time: torch reserves
    what it needs anew. On a CPU there is nothing to release.

    Args:
        before_epoch: Release it before each epoch of training, validation and test.
        after_epoch: Release it after each epoch of training, validation and test.
        after_iter: Release it after each step of training, validation and test; it waits for the device.
    """

    priority = "NORMAL"

    def __init__(self, before_epoch: bool = False, after_epoch: bool = True, after_iter: bool = False) -> None:
        self.does_before_epoch = before_epoch
        self.does_after_epoch = after_epoch
        self.does_after_iter = after_iter

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        if self.does_before_epoch:
            _empty_cache(runner.device)

    def _after_epoch(self, runner: Runner, mode: str = "train") -> None:
        if self.does_after_epoch:
            _empty_cache(runner.device)

    def _after_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None, mode: str = "train"
    ) -> None:
        if self.does_after_iter:
            _empty_cache(runner.device)


def _empty_cache(device: torch.device) -> None:
    if device.type != "cpu":
        torch.get_device_module(device).empty_cache()
