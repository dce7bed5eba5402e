"""A warm-up, a long plateau, a short decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.factor import FactorScheduler
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["WarmupStableDecayLR", "WarmupStableDecayMomentum", "WarmupStableDecayParamScheduler"]

_RISE: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
    "1-sqrt": lambda progress: 1 - math.sqrt(1 - progress),
}
_FALL: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: 1 - progress,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "1-sqrt": lambda progress: 1 - math.sqrt(progress),
}


class WarmupStableDecayParamScheduler(FactorScheduler):
    """Warms the value up, keeps it, and takes it down at the end.

    The factor of the base value rises from `eta_min_ratio` to 1 over `warmup_steps`, stays there for `stable_steps`, and
    falls to `eta_min_ratio` over `decay_steps`, where it stays: the numbers of transformers' `get_wsd_schedule`. In the
    decay, with p from 0 to 1, it falls as `1 - p`, `(1 + cos(pi * p)) / 2` or `1 - sqrt(p)`
    (https://arxiv.org/abs/2404.06395, https://arxiv.org/abs/2405.18392).

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        decay_steps: Steps of the decay.
        warmup_steps: Steps of the warm-up.
        stable_steps: Steps in between; by default what warm-up and decay leave of `end - begin`.
        warmup_type: How the value rises.
        decay_type: How it falls.
        eta_min_ratio: The minimum as a fraction of the base value.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("decay_steps", "warmup_steps", "stable_steps")

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: str,
        decay_steps: Annotated[int, Interval(ge=0)],
        warmup_steps: Annotated[int, Interval(ge=0)] = 0,
        stable_steps: Annotated[int, Interval(ge=0)] | None = None,
        warmup_type: Literal["linear", "cosine", "1-sqrt"] = "linear",
        decay_type: Literal["linear", "cosine", "1-sqrt"] = "1-sqrt",
        eta_min_ratio: Annotated[float, Interval(ge=0, le=1)] = 0.0,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        for name, chosen in (("warmup_type", warmup_type), ("decay_type", decay_type)):
            if chosen not in _FALL:
                raise BuildError(f"{name} must be one of {', '.join(_FALL)}, got {chosen!r}")
        if stable_steps is None:
            if end == INF:
                raise BuildError("when the decay begins follows from stable_steps or from end: give one of the two")
            stable_steps = end - begin - warmup_steps - decay_steps
            if stable_steps < 0:
                raise BuildError(
                    f"warmup_steps={warmup_steps} and decay_steps={decay_steps} do not fit into a window of {end - begin}"
                )
        self.warmup_steps, self.stable_steps, self.decay_steps = warmup_steps, stable_steps, decay_steps
        self.warmup_type, self.decay_type = warmup_type, decay_type
        self.eta_min_ratio = eta_min_ratio
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, step: int) -> float:
        """Up to 1, along it, and down again."""
        left = step - self.warmup_steps - self.stable_steps
        if step < self.warmup_steps:
            share = _RISE[self.warmup_type](step / self.warmup_steps)
        elif left < 0:
            return 1.0
        elif left < self.decay_steps:
            share = _FALL[self.decay_type](left / self.decay_steps)
        else:
            share = 0.0
        return share * (1 - self.eta_min_ratio) + self.eta_min_ratio


class WarmupStableDecayLR(LRSchedulerMixin, WarmupStableDecayParamScheduler):
    """A learning rate that is warmed up, kept, and taken down at the end."""


class WarmupStableDecayMomentum(MomentumSchedulerMixin, WarmupStableDecayParamScheduler):
    """A momentum that is warmed up, kept, and taken down at the end."""
