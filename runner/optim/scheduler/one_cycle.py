"""The 1cycle policy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.scheduler.param_scheduler import INF, OptimizerLike, _ParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin

__all__ = ["OneCycleLR", "OneCycleParamScheduler"]


class OneCycleParamScheduler(_ParamScheduler):
    """Takes the learning rate up to a maximum, and down to a minimum far below where it began.

    It starts at `eta_max / div_factor`, rises to `eta_max` over `pct_start` of the steps, and falls to
    `eta_max / div_factor / final_div_factor` (https://arxiv.org/abs/1708.07120; the numbers are torch's OneCycleLR's). It
    sets the value in each step, so that neither the optimizer's own learning rate nor another scheduler has a part in it.

    Args:
        optimizer: The optimizer or optimizer wrapper.
        param_name: `lr`; no other hyper-parameter has a cycle.
        eta_max: The maximum, for all groups or for each.
        total_steps: Steps of the cycle; `end - begin` by default. The window must not go on after it.
        pct_start: The part of the steps in which the rate rises.
        anneal_strategy: Along half a cosine, or linearly.
        div_factor: The maximum over the value at the start.
        final_div_factor: The value at the start over the minimum.
        three_phase: Fall back to the value at the start as steeply as it rose, then on to the minimum.
        begin: The first step, in epochs or iterations, at which the value is changed.
        end: The step from which on it is not changed any more.
        last_step: The step before the first one, -1 at the start of a run.
        by_epoch: Whether a step is an epoch; an iteration otherwise.
        verbose: Log each value that is set.
    """

    counted_in_epochs = ("total_steps",)
    unknown_to_mmengine = ("pct_start", "anneal_strategy", "three_phase")
    sets_initial_values = True

    def __init__(
        self,
        optimizer: OptimizerLike,
        param_name: Literal["lr"],
        eta_max: Annotated[float, Interval(ge=0)] | list[Annotated[float, Interval(ge=0)]] = 0,
        total_steps: Annotated[int, Interval(ge=1)] | None = None,
        pct_start: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: Annotated[float, Interval(gt=0)] = 25.0,
        final_div_factor: Annotated[float, Interval(gt=0)] = 1e4,
        three_phase: bool = False,
        begin: Annotated[int, Interval(ge=0)] = 0,
        end: Annotated[int, Interval(ge=1)] = INF,
        last_step: Annotated[int, Interval(ge=-1)] = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if param_name != "lr":
            raise BuildError(f"one cycle is for 'lr', got param_name={param_name!r}")
        if not 0 <= pct_start <= 1:
            raise BuildError(f"pct_start must be from 0 to 1, got {pct_start!r}")
        if anneal_strategy not in {"cos", "linear"}:
            raise BuildError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if total_steps is not None and total_steps < 1:
            raise BuildError(f"total_steps must be at least 1, got {total_steps!r}")
        self.eta_max = eta_max
        self.total_steps = end - begin if total_steps is None else total_steps
        self.pct_start, self.three_phase, self.anneal_strategy = pct_start, three_phase, anneal_strategy
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self._ends = _phase_ends(self.total_steps, pct_start, three_phase=three_phase)
        self._check_window(begin, end)
        if hasattr(optimizer, "param_groups"):
            self._turning_points = _turning_points(self, len(optimizer.param_groups))
            if last_step == -1:
                self._write_turning_points(optimizer)
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def rewind(self) -> None:
        """Go back to before step 0; the groups get this config's start, maximum and minimum."""
        super().rewind()
        self._write_turning_points(self.optimizer)
        self.base_values = [group["initial_lr"] for group in self.optimizer.param_groups]

    def _write_turning_points(self, optimizer: OptimizerLike) -> None:
        for group, points in zip(optimizer.param_groups, self._turning_points, strict=True):
            group.update(zip(("initial_lr", "max_lr", "min_lr"), points, strict=True))

    def _check_window(self, begin: int, end: int) -> None:
        # MMEngine's cycle may be taken one step too far.
        if end != INF and end - begin > self.total_steps + 1:
            raise BuildError(
                f"the cycle is over after total_steps={self.total_steps}, and the window from {begin} to {end} goes on; "
                f"leave total_steps out, or give end={begin + self.total_steps}"
            )

    def _get_value(self) -> Iterable[Any]:
        step = self.last_step
        if step > self.total_steps:
            raise BuildError(f"the cycle is over after total_steps={self.total_steps}; there is no step {step}")
        number = next((number for number, end in enumerate(self._ends) if step <= end), len(self._ends) - 1)
        start = self._ends[number - 1] if number else 0
        length = self._ends[number] - start
        progress = (step - start) / length if length else 1.0
        between = _cosine if self.anneal_strategy == "cos" else _line
        values = []
        for first, highest, lowest in self._turning_points:
            points = (first, highest, first, lowest) if self.three_phase else (first, highest, lowest)
            values.append(between(points[number], points[number + 1], progress))
        return values


class OneCycleLR(LRSchedulerMixin, OneCycleParamScheduler):
    """A learning rate that rises to a maximum, and falls to a minimum far below where it began."""


def _phase_ends(steps: int, share: float, *, three_phase: bool) -> list[float]:
    """The last step of each phase."""
    if three_phase:
        return [share * steps - 1, 2 * share * steps - 2, steps - 1]
    return [share * steps - 1, steps - 1]


def _turning_points(schedule: OneCycleParamScheduler, groups: int) -> list[tuple[float, float, float]]:
    """The start, the maximum and the minimum of each group."""
    given = schedule.eta_max
    maxima = list(given) if isinstance(given, list | tuple) else [given] * groups
    if len(maxima) != groups:
        raise BuildError(f"eta_max gives {len(maxima)} values, and there are {groups} parameter groups")
    starts = [highest / schedule.div_factor for highest in maxima]
    return [(start, highest, start / schedule.final_div_factor) for start, highest in zip(starts, maxima, strict=True)]


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * progress) + 1)


def _line(start: float, end: float, progress: float) -> float:
    return (end - start) * progress + start
