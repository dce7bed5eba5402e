"""Milestones: the steps at which a rate drops."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs, run_length, units
from runner.validation.rules.parts import number, schedules

__all__ = ["scheduler_milestones"]


def scheduler_milestones(context: Context) -> Iterator[Problem]:
    """Milestones that are never reached, or that are out of order."""
    for part in (part for group in schedules(context) for part in group if part.takes("milestones")):
        milestones = part.value("milestones")
        if not isinstance(milestones, list | tuple) or not all(type(each) is int for each in milestones):
            continue
        path = (*part.path, "milestones")
        if list(milestones) != sorted(milestones):
            message = f"not in order; write {sorted(milestones)}, or correct the one that is wrong"
            yield context.problem("scheduler-milestones", path, message, at="value", severity="warning")
        by_epoch, begin = part.value("by_epoch"), number(part, "begin")
        if begin is None or not isinstance(by_epoch, bool) or (by_epoch and counts_epochs(context) is not True):
            continue
        run = run_length(context, epochs=by_epoch)
        ends = [end for end in (run, number(part, "end") if part.given("end") else None) if end is not None]
        if not ends or begin >= min(ends):
            continue
        last = min(ends)
        whose = f"the run has {units(last, epochs=by_epoch)}" if last == run else f"the scheduler ends at {last}"
        counted = f", counted from begin: {begin}," if begin else ""
        for index, milestone in enumerate(milestones):
            if begin + milestone >= last:
                message = f"the milestone {milestone}{counted} is never reached: {whose}"
                yield context.problem("scheduler-milestones", (*path, index), message, at="value", severity="warning")
