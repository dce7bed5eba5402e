"""A decay at given steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["MultiStepLR", "MultiStepMomentum", "MultiStepParamScheduler"]


class MultiStepParamScheduler(_ParamScheduler):
    """Multiplies the value by `gamma` at each milestone.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        milestones: The steps at which the value decays, counted from `begin`; one that is named twice decays twice.
        gamma: What the value is multiplied by.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("milestones",)

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        milestones: list[Annotated[int, Interval(ge=0)]],
        gamma: Annotated[float, Interval(ge=0)] = 0.1,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step not in self.milestones:
            return [group[name] for group in groups]
        factor = self.gamma ** self.milestones[self.last_step]
        return [group[name] * factor for group in groups]

    def shape(self) -> dict[str, Any]:
        """What the config decides; the milestones as a list, as they stand there."""
        return {**super().shape(), "milestones": sorted(self.milestones.elements())}


class MultiStepLR(LRSchedulerMixin, MultiStepParamScheduler):
    """A learning rate that decays by `gamma` at each milestone."""


class MultiStepMomentum(MomentumSchedulerMixin, MultiStepParamScheduler):
    """A momentum that decays by `gamma` at each milestone."""
