"""A decay with the inverse of the time: MMCV's policy `inv`."""

from __future__ import annotations

from typing import Annotated

from runner.kinds import Interval
from runner.optim.scheduler.factor import FactorScheduler
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["InverseLR", "InverseMomentum", "InverseParamScheduler"]


class InverseParamScheduler(FactorScheduler):
    """Divides the value by a power of the time: MMCV's policy `inv`.

    At step `begin + t` it is `base / (1 + gamma * t) ** power`. `gamma` belongs to a step, whatever a step is: with
    `convert_to_iter_based`, t counts iterations.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        gamma: How fast the time runs.
        power: The power of the time.
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
        gamma: Annotated[float, Interval(ge=0)],
        power: Annotated[float, Interval(ge=0)] = 1.0,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.gamma = gamma
        self.power = power
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, step: int) -> float:
        """`(1 + gamma * t) ** -power`."""
        return float((1 + self.gamma * step) ** -self.power)


class InverseLR(LRSchedulerMixin, InverseParamScheduler):
    """A learning rate that is divided by a power of the time: MMCV's policy `inv`."""


class InverseMomentum(MomentumSchedulerMixin, InverseParamScheduler):
    """A momentum that is divided by a power of the time."""
