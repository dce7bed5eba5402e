"""Steps the parameter schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["ParamSchedulerHook"]


class ParamSchedulerHook(Hook):
    """Steps schedulers by iteration after each iteration, schedulers by epoch after each epoch.

    Schedulers that look at a metric (`need_val_args`) get the metrics of each validation besides.
    """

    priority = "LOW"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Step the schedulers that count iterations."""
        schedulers: Any = runner.param_schedulers
        if schedulers is None:
            return
        # The common case is written out: this runs in every iteration.
        for scheduler in schedulers if type(schedulers) is list else _each(schedulers):
            if not scheduler.by_epoch:
                scheduler.step()

    def after_train_epoch(self, runner: Runner) -> None:
        """Step the schedulers that count epochs."""
        for scheduler in _each(runner.param_schedulers):
            if scheduler.by_epoch:
                scheduler.step()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Hand the metrics to the schedulers that look at one."""
        if metrics is None:
            return
        for scheduler in _each(runner.param_schedulers):
            if getattr(scheduler, "need_val_args", False) and scheduler.by_epoch:
                scheduler.step(metrics)


def _each(schedulers: Any) -> Iterator[Any]:
    """All schedulers: none, a list, or a list by the name of an optimizer.

    A Runner that only validates may still hold mappings in their place: they have no `need_val_args`.
    """
    if isinstance(schedulers, dict):
        for group in schedulers.values():
            if isinstance(group, (list, tuple)):
                yield from group
    elif schedulers is not None:
        yield from schedulers
