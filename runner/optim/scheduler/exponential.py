"""A decay by the same factor at each step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["ExponentialLR", "ExponentialMomentum", "ExponentialParamScheduler"]


class ExponentialParamScheduler(_ParamScheduler):
    """Multiplies the value by `gamma` at each step.

    At step `begin + t` it is `base * gamma ** t`. `gamma` belongs to a step, whatever a step is: with
    `convert_to_iter_based` it is applied in each iteration.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        gamma: What the value is multiplied by.
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
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step == 0:
            return [group[name] for group in groups]
        return [group[name] * self.gamma for group in groups]


class ExponentialLR(LRSchedulerMixin, ExponentialParamScheduler):
    """A learning rate that decays by `gamma` at each step."""


class ExponentialMomentum(MomentumSchedulerMixin, ExponentialParamScheduler):
    """A momentum that decays by `gamma` at each step."""
