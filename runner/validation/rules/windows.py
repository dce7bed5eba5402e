"""When parameter schedulers act: their windows against the run, and against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs, run_length, units
from runner.validation.rules.parts import Part, number, schedules

__all__ = ["Window", "scheduler_gap", "scheduler_jump", "scheduler_overlap", "scheduler_window", "windows"]

_SCHEDULER = "runner.optim.scheduler.param_scheduler:_ParamScheduler"
_FAMILY = "runner.optim.scheduler.{}:{}ParamScheduler"
_CONSTANT = _FAMILY.format("constant", "Constant")
_LINEAR = _FAMILY.format("linear", "Linear")
_COSINE = _FAMILY.format("cosine", "CosineAnnealing")
_POLY = _FAMILY.format("poly", "Poly")
_PHASES = _FAMILY.format("warmup_stable_decay", "WarmupStableDecay")
_INVERSE_SQRT = _FAMILY.format("inverse_sqrt", "InverseSqrt")
_EXPONENTIAL = _FAMILY.format("exponential", "Exponential")
_INVERSE = _FAMILY.format("inverse", "Inverse")
_RESTART = _FAMILY.format("cosine_restart", "CosineRestart")
_ONE_CYCLE = _FAMILY.format("one_cycle", "OneCycle")
_DECAYS = (_COSINE, _POLY, _EXPONENTIAL, _INVERSE, _INVERSE_SQRT, _PHASES, _RESTART)
_STEPWISE = (_FAMILY.format("step", "Step"), _FAMILY.format("multistep", "MultiStep"))
_AIMLESS = (*_STEPWISE, _EXPONENTIAL, _INVERSE, _INVERSE_SQRT, _FAMILY.format("plateau", "ReduceOnPlateau"))
"""Families without a value that they reach at their end."""
_TARGETS = {
    "runner.optim.scheduler.targets:LRSchedulerMixin": "lr",
    "runner.optim.scheduler.targets:MomentumSchedulerMixin": "momentum",
}
_ENDLESS = 1_000_000_000
"""An `end` that means none, as MMEngine's configs write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A scheduler with its window.

    Attributes:
        part: The scheduler.
        epochs: Whether its window is in epochs; iterations otherwise.
        begin: Its first step.
        end: The step after its last one; None where that is not known.
        run: The run's length in the window's unit; None where that is not known.
        target: The hyper-parameter that it changes.
    """

    part: Part
    epochs: bool
    begin: int
    end: int | None
    run: int | None
    target: str | None

    @property
    def has_end(self) -> bool:
        """Whether the config says where it ends."""
        return self.part.given("end") and number(self.part, "end") != _ENDLESS

    @property
    def length(self) -> int | None:
        """Its number of steps."""
        return None if self.end is None else self.end - self.begin

    def overlaps(self, other: Window) -> bool:
        """Whether both act at some step; False where that is not known."""
        if self.end is None or other.end is None or self.epochs is not other.epochs:
            return False
        return max(self.begin, other.begin) < min(self.end, other.end)


def scheduler_window(context: Context) -> Iterator[Problem]:
    """A window that is empty, or that lies outside of the run."""
    for window in windows(context):
        part, begin, end, run = window.part, window.begin, window.end, window.run
        if end is not None and end <= begin:
            yield _empty(context, window)
        elif run is not None and begin >= run:
            message = f"it never acts: it begins at {begin}, and the run has {units(run, epochs=window.epochs)}"
            yield context.problem("scheduler-window", (*part.path, "begin"), message, at="value", severity="warning")
        elif run is not None and end is not None and end > run and not part.is_a(*_AIMLESS):
            message = (
                f"it ends at {end}, and the run has {units(run, epochs=window.epochs)}: it is cut off on its way; "
                f"give {run}, or leave it out"
            )
            yield context.problem("scheduler-window", (*part.path, "end"), message, at="value", severity="warning")


def scheduler_jump(context: Context) -> Iterator[Problem]:
    """A warm-up that sets in later than the run, so that the value falls at once."""
    for window in windows(context):
        part = window.part
        found = _start(part)
        if window.begin == 0 or found is None or found[1] == 1:
            continue
        if window.run is not None and window.begin >= window.run:
            continue
        unit = "epoch" if window.epochs else "iteration"
        name = window.target or "the value"
        argument, factor, none = found
        message = (
            f"at {unit} {window.begin} {name} is multiplied by {argument}{factor:.4g}, at once; "
            f"a warm-up begins at 0, and what follows it with {none}"
        )
        yield context.problem("scheduler-jump", (*part.path, "begin"), message, at="value", severity="warning")


def scheduler_overlap(context: Context) -> Iterator[Problem]:
    """Two decays, or two warm-ups, of the same value at the same time."""
    for group in _by_target(context):
        for first, second in combinations(group, 2):
            if first.overlaps(second) and first.part.is_a(_ONE_CYCLE) is not second.part.is_a(_ONE_CYCLE):
                yield _overruled(context, first, second)
            sort = _sort(first.part)
            if sort is None or sort != _sort(second.part) or not first.overlaps(second):
                continue
            assert first.end is not None
            assert second.end is not None
            unit = "epoch" if first.epochs else "iteration"
            begin, end = max(first.begin, second.begin), min(first.end, second.end)
            message = (
                f"from {unit} {begin} to {end} it and the {first.part.name} before it both take {first.target} "
                f"{'down' if sort == 'decay' else 'up'}, and their effects multiply; begin one where the other ends"
            )
            yield context.problem("scheduler-overlap", second.part.path, message, at="value", severity="warning")


def scheduler_gap(context: Context) -> Iterator[Problem]:
    """A decay to nothing that ends before the run does."""
    for group in _by_target(context):
        if any(_raises(window.part) for window in group):
            continue
        for window in group:
            run, end = window.run, window.end
            if run is None or end is None or not window.has_end or not window.begin < end < run:
                continue
            if not _leaves_nothing(window):
                continue
            message = (
                f"by {'epoch' if window.epochs else 'iteration'} {end} it has taken {window.target} to nothing, and "
                f"no scheduler leads up from there; the run has {units(run, epochs=window.epochs)}: give end: {run}, "
                "or an eta_min"
            )
            yield context.problem("scheduler-gap", (*window.part.path, "end"), message, at="value", severity="warning")


def _overruled(context: Context, first: Window, second: Window) -> Problem:
    cycle, other = (first, second) if first.part.is_a(_ONE_CYCLE) else (second, first)
    message = (
        f"{cycle.part.name} sets {cycle.target} in each step: what this does to it in the same steps is lost; "
        "remove it, or let one begin where the other ends"
    )
    return context.problem("scheduler-overlap", other.part.path, message, at="value", severity="warning")


def _start(part: Part) -> tuple[str, float, str] | None:
    """What a scheduler multiplies the value by at its first step: in words, as a number, and how to have none."""
    if part.is_a(_LINEAR):
        factor = part.value("start_factor")
        return ("start_factor, ", factor, "start_factor: 1") if isinstance(factor, int | float) else None
    if part.is_a(_PHASES, _INVERSE_SQRT) and number(part, "warmup_steps"):
        ratio = part.value("eta_min_ratio") if part.is_a(_PHASES) else 0
        return ("", ratio, "warmup_steps: 0") if isinstance(ratio, int | float) else None
    return None


def _empty(context: Context, window: Window) -> Problem:
    if window.has_end:
        message = f"it ends at {window.end}, and begins at {window.begin}; give an end above {window.begin}"
        return context.problem("scheduler-window", (*window.part.path, "end"), message, at="value")
    assert window.end is not None
    message = f"it begins at {window.begin}, and the run ends at {window.end}; give a begin below {window.end}"
    return context.problem("scheduler-window", (*window.part.path, "begin"), message, at="value")


def windows(context: Context) -> Iterator[Window]:
    """The schedulers whose windows are in a unit that the run counts."""
    for group in schedules(context):
        for part in group:
            window = _window(context, part)
            if window is not None:
                yield window


def _window(context: Context, part: Part) -> Window | None:
    by_epoch, begin = part.value("by_epoch"), number(part, "begin")
    if not part.is_a(_SCHEDULER) or not isinstance(by_epoch, bool) or begin is None:
        return None
    if by_epoch and counts_epochs(context) is not True:
        return None  # epochs of a loop that has none, or that counts them in its own way
    run = run_length(context, epochs=by_epoch)
    end = number(part, "end")
    if end == _ENDLESS:
        end = run if not part.given("end") else None
    targets = [name for base, name in _TARGETS.items() if part.is_a(base)]
    target: Any = targets[0] if targets else part.value("param_name")
    return Window(
        part=part, epochs=by_epoch, begin=begin, end=end, run=run, target=target if isinstance(target, str) else None
    )


def _by_target(context: Context) -> Iterator[Sequence[Window]]:
    """The windows of each value of each optimizer, epochs and iterations apart, in the order in which they begin."""
    for group in schedules(context):
        found: dict[tuple[str, bool], list[Window]] = {}
        for part in group:
            window = _window(context, part)
            if window is not None and window.target is not None:
                found.setdefault((window.target, window.epochs), []).append(window)
        for windows in found.values():
            yield sorted(windows, key=lambda window: window.begin)


def _sort(part: Part) -> str | None:
    """Whether a scheduler is a smooth decay or a warm-up; None where it is neither, or where that is not known."""
    if part.is_a(*_DECAYS):
        return "decay"
    if part.is_a(_CONSTANT):
        return "warm-up"
    if not part.is_a(_LINEAR):
        return None
    start, end = part.value("start_factor"), part.value("end_factor")
    if not isinstance(start, int | float) or not isinstance(end, int | float) or start == end:
        return None
    return "decay" if end < start else "warm-up"


def _leaves_nothing(window: Window) -> bool:
    """Whether it ends at zero, or as good as that."""
    part = window.part
    if part.is_a(_LINEAR):
        return bool(part.value("end_factor") == 0)
    if part.is_a(_POLY):
        return bool(part.value("eta_min") == 0)
    if part.is_a(_PHASES):
        return bool(part.value("eta_min_ratio") == 0) and part.value("stable_steps") is None
    period = part.value("T_max")
    return (
        part.is_a(_COSINE)
        and period in {None, window.length}
        and part.value("eta_min") in {None, 0}
        and part.value("eta_min_ratio") in {None, 0}
    )


def _raises(part: Part) -> bool:
    """Whether it may lead up from zero: what multiplies can't."""
    if part.is_a(_LINEAR, _CONSTANT, _EXPONENTIAL, _INVERSE, _PHASES, *_STEPWISE):
        return False
    if part.is_a(_POLY):
        return bool(part.value("eta_min") != 0)
    if part.is_a(_COSINE):
        return part.value("eta_min") not in {None, 0} or part.value("eta_min_ratio") not in {None, 0}
    return True
