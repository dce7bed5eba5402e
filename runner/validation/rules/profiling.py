"""What is profiled, and whether a trace comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.length import run_length, units
from runner.validation.rules.parts import Part, hooks, number

__all__ = ["profiler_window"]

_PROFILER = "runner.hooks.profiler:ProfilerHook"


def profiler_window(context: Context) -> Iterator[Problem]:
    """Several epochs, more than the run has, or fewer than a schedule needs; nothing to record."""
    for part in hooks(context):
        if part.is_a(_PROFILER):
            yield from _times(context, part)
            yield from _schedule(context, part)
            if part.value("activity_with_cpu") is False and part.value("activity_with_cuda") is False:
                message = "activity_with_cuda is false too: nothing would be recorded"
                yield context.problem("profiler-window", (*part.path, "activity_with_cpu"), message, at="value")


def _times(context: Context, part: Part) -> Iterator[Problem]:
    times, by_epoch = number(part, "profile_times"), part.value("by_epoch")
    if times is None or not isinstance(by_epoch, bool):
        return
    place = (*part.path, "profile_times")
    if by_epoch and times > 1:
        message = f"{times} epochs, and one can be profiled; give by_epoch: false, and iterations"
        yield context.problem("profiler-window", place, message, at="value")
        return
    run = run_length(context, epochs=by_epoch)
    if run is not None and times > run:
        message = f"{times}, and the run has {units(run, epochs=by_epoch)}"
        yield context.problem("profiler-window", place, message, at="value")


def _schedule(context: Context, part: Part) -> Iterator[Problem]:
    schedule, times = part.value("schedule"), number(part, "profile_times")
    if not isinstance(schedule, Mapping) or times is None or part.value("by_epoch") is not False:
        return
    parts = [schedule.get(key, 0) for key in ("skip_first", "wait", "warmup", "active")]
    if all(isinstance(each, int) for each in parts) and sum(parts) > times:
        message = f"its first cycle takes {sum(parts)} iterations, and {times} are profiled: it would be cut short"
        yield context.problem("profiler-window", (*part.path, "schedule"), message, severity="warning")
