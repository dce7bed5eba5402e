"""Cosine decays, one after the other."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["CosineRestartLR", "CosineRestartMomentum", "CosineRestartParamScheduler"]


class CosineRestartParamScheduler(_ParamScheduler):
    """Takes the value down along half a cosine, and begins anew: SGDR with its restarts.

    t steps into the i-th period it is `eta_min + (base * restart_weights[i] - eta_min) * (1 + cos(pi * t / periods[i])) / 2`
    (https://arxiv.org/abs/1608.03983). A restart sets the value, so that what other schedulers did to it before is over.
    After the last period the value stays.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        periods: Steps of each period.
        restart_weights: What the base value is multiplied by at the start of each period, one for each.
        eta_min: The minimum. One of this and `eta_min_ratio` is needed.
        eta_min_ratio: The minimum as a fraction of the base value.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("periods",)

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        periods: list[Annotated[int, Interval(ge=1)]],
        restart_weights: Sequence[Annotated[float, Interval(ge=0)]] = (1,),
        eta_min: Annotated[float, Interval(ge=0)] | None = None,
        eta_min_ratio: Annotated[float, Interval(ge=0)] | None = None,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if (eta_min is None) is (eta_min_ratio is None):
            raise BuildError(f"give eta_min or eta_min_ratio, one of the two; got {eta_min!r} and {eta_min_ratio!r}")
        if not periods or len(periods) != len(restart_weights):
            raise BuildError(
                f"each period needs its restart weight: there are {len(periods)} periods and {len(restart_weights)} "
                "restart_weights"
            )
        self.periods = list(periods)
        self.restart_weights = list(restart_weights)
        self.eta_min = eta_min
        self.eta_min_ratio = eta_min_ratio
        self.cumulative_periods = list(itertools.accumulate(self.periods))
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name = self.param_name
        groups = self.optimizer.param_groups
        number = bisect.bisect_right(self.cumulative_periods, self.last_step)
        if number == len(self.periods):
            return [group[name] for group in groups]
        length = self.periods[number]
        step = self.last_step - (self.cumulative_periods[number] - length)
        if step == 0:
            return [base * self.restart_weights[number] for base in self.base_values]
        ratio = (1 + math.cos(math.pi * step / length)) / (1 + math.cos(math.pi * (step - 1) / length))
        pairs = zip(self.base_values, groups, strict=False)
        return [ratio * (group[name] - self._minimum(base)) + self._minimum(base) for base, group in pairs]

    def _minimum(self, base: Any) -> Any:
        return self.eta_min if self.eta_min_ratio is None else base * self.eta_min_ratio


class CosineRestartLR(LRSchedulerMixin, CosineRestartParamScheduler):
    """A learning rate that goes down along half a cosine, and begins anew."""


class CosineRestartMomentum(MomentumSchedulerMixin, CosineRestartParamScheduler):
    """A momentum that goes down along half a cosine, and begins anew."""
