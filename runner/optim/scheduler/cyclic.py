"""Cycles, up and down: MMCV's policy `cyclic`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.factor import FactorScheduler
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = ["CyclicLR", "CyclicMomentum", "CyclicParamScheduler"]


class CyclicParamScheduler(FactorScheduler):
    """Takes the value up and down in cycles: MMCV's policy `cyclic`.

    The window is divided into `cyclic_times` cycles of the same length. In each the factor of the base value goes from 1 to
    `target_ratio[0]`, then to `target_ratio[1]`. What the division leaves over is the start of another cycle. With
    `anneal_strategy: linear`, `target_ratio: [k, 1]` and `gamma` 1 or 0.5 these are torch's CyclicLR's modes
    `triangular` and `triangular2`.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: The key of the hyper-parameter in a parameter group.
        target_ratio: The factors at the turn and at the end of a cycle; of one alone, the second is a 100000th of it.
        cyclic_times: Cycles in the window.
        step_ratio_up: The part of a cycle before the turn.
        anneal_strategy: Along half a cosine, or linearly.
        gamma: By how much the distance of the turn from the base value shrinks from cycle to cycle.
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
        target_ratio: float | tuple[float, float] = (10, 1e-4),
        cyclic_times: Annotated[int, Interval(ge=1)] = 1,
        step_ratio_up: Annotated[float, Interval(ge=0, lt=1)] = 0.4,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        gamma: Annotated[float, Interval(gt=0, le=1)] = 1.0,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if end == INF:
            raise BuildError("a cycle is a part of the window: give end")
        if anneal_strategy not in {"cos", "linear"}:
            raise BuildError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not 0 <= step_ratio_up < 1 or not 0 < gamma <= 1:
            raise BuildError(
                f"step_ratio_up must be at least 0 and below 1, gamma above 0 and at most 1; got {step_ratio_up!r} and {gamma!r}"
            )
        ratios = (target_ratio, target_ratio / 1e5) if isinstance(target_ratio, int | float) else tuple(target_ratio)
        if len(ratios) != 2:
            raise BuildError(f"target_ratio must be one number or two, got {target_ratio!r}")
        self.cycle_steps = (end - begin) // cyclic_times
        if self.cycle_steps < 1:
            raise BuildError(f"{cyclic_times} cycles do not fit into a window of {end - begin} steps")
        self.target_ratio = list(ratios)
        self.cyclic_times = cyclic_times
        self.step_ratio_up = step_ratio_up
        self.anneal_strategy = anneal_strategy
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, step: int) -> float:
        """Up and down, the turn lower in each cycle where `gamma` is below 1."""
        cycle, place = divmod(step, self.cycle_steps)
        scale = self.gamma**cycle
        turn = 1 - scale + self.target_ratio[0] * scale
        up = int(self.step_ratio_up * self.cycle_steps)
        if place < up:
            return self._between(1.0, turn, place / up)
        return self._between(turn, self.target_ratio[1], (place - up) / (self.cycle_steps - up))

    def _between(self, start: float, end: float, progress: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) * (math.cos(math.pi * progress) + 1) / 2
        return start + (end - start) * progress


class CyclicLR(LRSchedulerMixin, CyclicParamScheduler):
    """A learning rate that goes up and down in cycles: MMCV's policy `cyclic`."""


class CyclicMomentum(MomentumSchedulerMixin, CyclicParamScheduler):
    """A momentum that goes down and up in cycles, as the learning rate goes up and down.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        target_ratio: The factors at the turn and at the end of a cycle; of one alone, the second is a 100000th of it.
        *args: As those of `CyclicParamScheduler` after `target_ratio`.
        **kwargs: As the same.
    """

    def __init__(
        self,
        optimizer: OptimizerLike,
        target_ratio: float | tuple[float, float] = (0.85 / 0.95, 1),
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, target_ratio, *args, **kwargs)
