"""A factor that changes linearly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler, check_factor
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["LinearLR", "LinearMomentum", "LinearParamScheduler"]


class LinearParamScheduler(_ParamScheduler):
    """Multiplies the value by a factor that goes linearly from `start_factor` to `end_factor`.

    The factor is `start_factor + (end_factor - start_factor) * t / (end - begin - 1)` at step `begin + t`, and stays at
    `end_factor` from step `end - 1` on.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        start_factor: The factor at step `begin`, above 0 and at most 1.
        end_factor: The factor at step `end - 1`, from 0 to 1.
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
        start_factor: Annotated[float, Interval(gt=0, le=1)] = 1.0 / 3,
        end_factor: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.start_factor = check_factor(start_factor, name="start_factor", zero=False)
        self.end_factor = check_factor(end_factor, name="end_factor", zero=True)
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        if self.last_step == 0:
            return [group[name] * self.start_factor for group in groups]
        change = self.end_factor - self.start_factor
        ratio = 1.0 + change / (self.total_iters * self.start_factor + (self.last_step - 1) * change)
        return [group[name] * ratio for group in groups]


class LinearLR(LRSchedulerMixin, LinearParamScheduler):
    """A learning rate that is multiplied by a factor which changes linearly: the usual warm-up."""


class LinearMomentum(MomentumSchedulerMixin, LinearParamScheduler):
    """A momentum that is multiplied by a factor which changes linearly."""
