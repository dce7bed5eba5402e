"""A decay with the inverse square root of the time, after a warm-up."""

from __future__ import annotations

from typing import Annotated

from runner.kinds import Interval
from runner.optim.scheduler.factor import FactorScheduler
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["InverseSqrtLR", "InverseSqrtMomentum", "InverseSqrtParamScheduler"]

_TIMESCALE = 10_000
"""Where there is no warm-up to take it from, as in Google's vision transformers."""


class InverseSqrtParamScheduler(FactorScheduler):
    """Warms the value up linearly, then divides it by the square root of the time.

    At step `begin + t` it is `base * t / warmup_steps` while `t < warmup_steps`, then
    `base / sqrt((t + timescale - warmup_steps) / timescale)`: the numbers of transformers'
    `get_inverse_sqrt_schedule`, and with `timescale: null` those of the first transformer
    (https://arxiv.org/abs/1706.03762, section 5.3). Without `warmup_steps` it can follow a `LinearLR` in the list.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        warmup_steps: Steps from zero to the base value.
        timescale: After how many steps from the warm-up's start the value, had it decayed since then, is the base value;
            by default `warmup_steps`, and 10000 without a warm-up.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("warmup_steps", "timescale")

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        warmup_steps: Annotated[int, Interval(ge=0)] = 0,
        timescale: Annotated[int, Interval(ge=1)] | None = None,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.warmup_steps = warmup_steps
        self.timescale = timescale or warmup_steps or _TIMESCALE
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, step: int) -> float:
        """Up along a line to 1, then down as the square root of the time goes up."""
        if step < self.warmup_steps:
            return step / self.warmup_steps
        return float(((step + self.timescale - self.warmup_steps) / self.timescale) ** -0.5)


class InverseSqrtLR(LRSchedulerMixin, InverseSqrtParamScheduler):
    """A learning rate that is warmed up, then divided by the square root of the time."""


class InverseSqrtMomentum(MomentumSchedulerMixin, InverseSqrtParamScheduler):
    """A momentum that is warmed up, then divided by the square root of the time."""
