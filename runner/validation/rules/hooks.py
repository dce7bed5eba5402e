"""Arguments of one hook that do not go together, so that it can't be built."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.file_names import leads_out, numbers_files
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, hooks, number

__all__ = ["hook_arguments"]

_FREEZE = "runner.hooks.freeze:FreezeHook"
_ACCUMULATION = "runner.hooks.accumulation:GradientAccumulationScheduler"
_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"


def hook_arguments(context: Context) -> Iterator[Problem]:
    """What a hook's constructor refuses and its signature can't say."""
    for part in hooks(context):
        if part.is_a(_FREEZE):
            yield from _frozen_for_nothing(context, part)
        elif part.is_a(_ACCUMULATION):
            yield from _places(context, part)
        elif part.is_a(_CHECKPOINT):
            yield from _best(context, part)
            yield from _file_name(context, part)


def _frozen_for_nothing(context: Context, part: Part) -> Iterator[Problem]:
    begin, end = number(part, "begin"), number(part, "end")
    if begin is not None and end is not None and end <= begin:
        message = (
            f"{end}, and it begins at {begin}: nothing would be frozen; give an end above {begin}, or leave it out"
        )
        yield context.problem("out-of-range", (*part.path, "end"), message, at="value")


def _places(context: Context, part: Part) -> Iterator[Problem]:
    schedule, path = part.value("schedule"), (*part.path, "schedule")
    if not isinstance(schedule, list | tuple):
        return
    if not schedule:
        message = "empty; give pairs of where it begins and how many batches make an update: [[0, 4]]"
        yield context.problem("out-of-range", path, message, at="value")
    seen = set()
    for number_, row in enumerate(schedule):
        if isinstance(row, list | tuple) and row and isinstance(row[0], int):
            if row[0] in seen:
                message = f"{row[0]} has a number of batches already; give each place once"
                yield context.problem("out-of-range", (*path, number_, 0), message, at="value")
            seen.add(row[0])


def _best(context: Context, part: Part) -> Iterator[Problem]:
    metrics, rules = part.value("save_best"), part.value("rule")
    path = (*part.path, "save_best")
    names = metrics if isinstance(metrics, list | tuple) else [metrics]
    if len(names) > 1 and "auto" in names:
        message = "'auto' takes the first metric there is; give it alone, or metrics by their names"
        yield context.problem("not-allowed", (*path, names.index("auto")), message, at="value")
    for position, name in enumerate(names):
        if isinstance(name, str) and name in names[:position]:
            yield context.problem("not-allowed", (*path, position), f"'{name}' stands there already", at="value")
    if isinstance(rules, list | tuple) and metrics is not None and len(rules) not in {1, len(names)}:
        message = f"there are {len(names)} metrics, and {len(rules)} rules; give one rule, or one for each metric"
        yield context.problem("out-of-range", (*part.path, "rule"), message, at="value")


def _file_name(context: Context, part: Part) -> Iterator[Problem]:
    name = part.value("filename_tmpl")
    if isinstance(name, str) and name and not leads_out(name) and not numbers_files(name):
        message = (
            f"'{name}' is no file's name with one {{}} for the epoch or iteration, which gives each a name of its own; for "
            "example 'epoch_{}.pth' or 'epoch_{:03d}.pth'"
        )
        yield context.problem("not-allowed", (*part.path, "filename_tmpl"), message, at="value")
