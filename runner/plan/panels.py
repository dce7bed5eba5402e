"""What a picture of a plan shows, on paper or in a terminal: a panel for each option that changes, a line for each curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.plan.plan import Plan, Schedule
from runner.plan.walk import Moment

__all__ = ["Axis", "Line", "Panel", "axis", "constants", "panels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The x axis.

    Attributes:
        unit: What it counts: `epoch` or `iteration`.
        length: Where it ends.
        scale: What one of a schedule's steps is on it.
    """

    unit: str
    length: float
    scale: float

    def place(self, moment: Moment) -> float | None:
        """Where something happens; None where that can't be said."""
        if moment.iter is not None:
            return moment.iter * self.scale
        return moment.epoch if self.unit == "epoch" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve, of all groups that share it.

    Attributes:
        groups: Their numbers.
        steps: The schedule's, and the run's end.
        values: What holds from each step on.
    """

    groups: tuple[int, ...]
    steps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """An option of the parameter groups, with a line for each way in which it changes."""

    option: str
    lines: tuple[Line, ...]


def axis(plan: Plan) -> Axis:
    """Epochs where the loop counts them, with as many iterations in each; else what the schedules count."""
    if plan.unit == "iteration" and plan.by_epoch and plan.epoch_length:
        return Axis(unit="epoch", length=plan.length / plan.epoch_length, scale=1 / plan.epoch_length)
    return Axis(unit=plan.unit, length=plan.length, scale=1)


def panels(plan: Plan) -> list[Panel]:
    """The options that change, and the learning rate in any case."""
    options = dict.fromkeys(each.option for each in plan.schedules if not each.constant)
    if any(each.option == "lr" for each in plan.schedules):
        options = {"lr": None, **options}
    return [Panel(option=option, lines=_lines(plan, option)) for option in options]


def constants(plan: Plan) -> dict[str, list[tuple[tuple[int, ...], float]]]:
    """The options that never change: each value, and the groups that have it."""
    shown = {panel.option for panel in panels(plan)}
    options = dict.fromkeys(each.option for each in plan.schedules if each.option not in shown)
    return {option: [(line.groups, line.values[0]) for line in _lines(plan, option)] for option in options}


def _lines(plan: Plan, option: str) -> tuple[Line, ...]:
    found: dict[tuple[tuple[int, ...], tuple[float, ...]], list[Schedule]] = {}
    for each in plan.schedules:
        if each.option == option:
            found.setdefault((tuple(each.steps), tuple(each.values)), []).append(each)
    return tuple(
        Line(groups=tuple(each.group for each in same), steps=[*steps, plan.length], values=[*values, values[-1]])
        for (steps, values), same in found.items()
    )
