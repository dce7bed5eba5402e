"""A constant factor for a number of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler, check_factor
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["ConstantLR", "ConstantMomentum", "ConstantParamScheduler"]


class ConstantParamScheduler(_ParamScheduler):
    """Multiplies the value by `factor` until step `end - 1`, and takes it back there.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        factor: What the value is multiplied by, from 0 to 1.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        factor: Annotated[float, Interval(ge=0, le=1)] = 1.0 / 3,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.factor = check_factor(factor, name="factor", zero=True)
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step == 0:
            return [group[name] * self.factor for group in groups]
        if self.last_step != self.total_iters:
            return [group[name] for group in groups]
        if self.factor == 0:
            return self.base_values  # no multiplication leads back from zero
        return [group[name] * (1.0 / self.factor) for group in groups]


class ConstantLR(LRSchedulerMixin, ConstantParamScheduler):
    """A learning rate that is multiplied by a constant factor until step `end - 1`: a warm-up in one go."""


class ConstantMomentum(MomentumSchedulerMixin, ConstantParamScheduler):
    """A momentum that is multiplied by a constant factor until step `end - 1`."""
