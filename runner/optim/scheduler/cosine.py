"""A decay along half a cosine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["CosineAnnealingLR", "CosineAnnealingMomentum", "CosineAnnealingParamScheduler"]


class CosineAnnealingParamScheduler(_ParamScheduler):
    """Takes the value down to a minimum along half a cosine.

    At step `begin + t` it is `eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2`: the annealing part of SGDR
    (https://arxiv.org/abs/1608.03983), without its restarts.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        T_max: Steps from the base value to the minimum; `end - begin` by default.
        eta_min: The minimum; 0 where neither this nor `eta_min_ratio` is given.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
        eta_min_ratio: The minimum as a fraction of the base value, instead of `eta_min`.
    """

    counted_in_epochs = ("T_max",)

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        T_max: Annotated[int, Interval(ge=1)] | None = None,  # noqa: N803 - the paper's name, and MMEngine's
        eta_min: Annotated[float, Interval(ge=0)] | None = None,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
        eta_min_ratio: Annotated[float, Interval(ge=0)] | None = None,
    ) -> None:
        if eta_min is not None and eta_min_ratio is not None:
            raise BuildError(f"give eta_min or eta_min_ratio, not both; got {eta_min!r} and {eta_min_ratio!r}")
        if T_max is not None and T_max < 1:
            raise BuildError(f"T_max must be at least 1, got {T_max!r}")
        self.T_max = T_max or end - begin
        self.eta_min = 0.0 if eta_min is None and eta_min_ratio is None else eta_min
        self.eta_min_ratio = eta_min_ratio
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Iterable[Any]:
        name, step, length = self.param_name, self.last_step, self.T_max
        groups = self.optimizer.param_groups
        if step == 0:
            return [group[name] for group in groups]
        pairs = zip(self.base_values, groups, strict=False)
        if (step - 1 - length) % (2 * length) == 0:
            # The step before was the minimum, from which no ratio leads up again.
            rise = 1 - math.cos(math.pi / length)
            return [group[name] + (base - self._minimum(base)) * rise / 2 for base, group in pairs]
        ratio = (1 + math.cos(math.pi * step / length)) / (1 + math.cos(math.pi * (step - 1) / length))
        return [ratio * (group[name] - self._minimum(base)) + self._minimum(base) for base, group in pairs]

    def _minimum(self, base: Any) -> Any:
        return self.eta_min if self.eta_min_ratio is None else base * self.eta_min_ratio


class CosineAnnealingLR(LRSchedulerMixin, CosineAnnealingParamScheduler):
    """A learning rate that goes down to a minimum along half a cosine."""


class CosineAnnealingMomentum(MomentumSchedulerMixin, CosineAnnealingParamScheduler):
    """A momentum that goes down to a minimum along half a cosine."""
