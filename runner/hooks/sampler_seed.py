"""Tells the sampler which epoch it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["DistSamplerSeedHook"]


class DistSamplerSeedHook(Hook):
    """Calls `set_epoch` of the training sampler before each epoch, so that each epoch has an order of its own.

    Asked in this order, and the first that has a `set_epoch` is called: the loader's sampler, the sampler within its
    batch sampler, the batch sampler.
    """

    priority = "NORMAL"

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch."""
        loader = runner.train_loop.dataloader
        batch_sampler = getattr(loader, "batch_sampler", None)
        for sampler in (getattr(loader, "sampler", None), getattr(batch_sampler, "sampler", None), batch_sampler):
            set_epoch = getattr(sampler, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(runner.epoch)
                return
