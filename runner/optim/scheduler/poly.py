"""A polynomial decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["PolyLR", "PolyMomentum", "PolyParamScheduler"]


class PolyParamScheduler(_ParamScheduler):
    """Takes the value down to a minimum along a polynomial.

    At step `begin + t` it is `eta_min + (base - eta_min) * (1 - t / (end - begin - 1)) ** power`.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        eta_min: The value from step `end - 1` on.
        power: The polynomial's power; 1 is a straight line.
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
        eta_min: Annotated[float, Interval(ge=0)] = 0,
        power: Annotated[float, Interval(ge=0)] = 1.0,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.eta_min = eta_min
        self.power = power
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step == 0:
            return [group[name] for group in groups]
        ratio = (1 - 1 / (self.total_iters - self.last_step + 1)) ** self.power
        return [(group[name] - self.eta_min) * ratio + self.eta_min for group in groups]


class PolyLR(LRSchedulerMixin, PolyParamScheduler):
    """A learning rate that goes down to a minimum along a polynomial."""


class PolyMomentum(MomentumSchedulerMixin, PolyParamScheduler):
    """A momentum that goes down to a minimum along a polynomial."""
