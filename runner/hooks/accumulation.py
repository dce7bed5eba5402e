"""Another number of accumulated batches as the training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval
from runner.optim import OptimWrapperDict

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["GradientAccumulationScheduler"]


class GradientAccumulationScheduler(Hook):
    """Changes over how many batches gradients are accumulated: larger effective batches later in the training.

    Before the first place of the schedule the optimizer wrapper's own `accumulative_counts` holds. A window that is open
    at a place is filled before the change.

    Args:
        schedule: Pairs of (epoch, from 0, and the batches that make an update from there on), in any order.
        by_epoch: Whether the places are epochs; iterations otherwise.
    """

    def __init__(
        self,
        schedule: list[tuple[Annotated[int, Interval(ge=0)], Annotated[int, Interval(ge=1)]]],
        by_epoch: bool = True,
    ) -> None:
        self.schedule = sorted((place, counts) for place, counts in schedule)
        places = [place for place, _ in self.schedule]
        twice = next((place for place in places if places.count(place) > 1), None)
        if twice is not None or not places:
            what = "is empty" if twice is None else f"gives two numbers for {twice}"
            raise BuildError(f"GradientAccumulationScheduler: the schedule {what}; give a number for each place")
        self.by_epoch = by_epoch

    def before_train(self, runner: Runner) -> None:
        """Take the number that holds where the run begins, or goes on."""
        self._apply(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Change the number where the epoch is one to do so."""
        if self.by_epoch:
            self._apply(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Change the number where the iteration is one to do so."""
        if not self.by_epoch:
            self._apply(runner)

    def _apply(self, runner: Runner) -> None:
        position = runner.epoch if self.by_epoch else runner.iter
        past = [counts for place, counts in self.schedule if place <= position]
        wrapper = runner.optim_wrapper
        assert wrapper is not None
        for each in wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]:
            if past and past[-1] != each.accumulative_counts:
                each.accumulate(past[-1])
