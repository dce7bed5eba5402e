"""What counts epochs, and what counts iterations."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.signature import UNKNOWN
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs
from runner.validation.rules.parts import Part, hooks, number, part_at, schedules

__all__ = ["by_epoch_unit"]

_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"
_PROFILER = "runner.hooks.profiler:ProfilerHook"
_ACCUMULATION = "runner.hooks.accumulation:GradientAccumulationScheduler"
_FREEZE = "runner.hooks.freeze:FreezeHook"
_SWA = "runner.hooks.swa:SWAHook"
_SWITCH = "runner.hooks.switch_pipeline:SwitchPipelineHook"
_PLATEAU = "runner.optim.scheduler.plateau:ReduceOnPlateauParamScheduler"
_LOG_PROCESSOR = "runner.logging.log_processor:LogProcessor"


def by_epoch_unit(context: Context) -> Iterator[Problem]:
    """`by_epoch` of a scheduler or a hook against what the training loop counts."""
    yield from _conversions(context)
    if counts_epochs(context) is False:
        yield from _schedulers(context)
        yield from _checkpoints(context)
        yield from _phases(context)
        yield from _log_processor(context)


def _conversions(context: Context) -> Iterator[Problem]:
    for part in (part for group in schedules(context) for part in group):
        if part.value("convert_to_iter_based") is True and part.value("by_epoch") is False:
            message = "it turns epochs into iterations, and by_epoch: false beside it says that these are iterations"
            yield context.problem("by-epoch-unit", (*part.path, "convert_to_iter_based"), message)


def _schedulers(context: Context) -> Iterator[Problem]:
    for part in (part for group in schedules(context) for part in group):
        if part.value("by_epoch") is not True or part.is_a(_PLATEAU):
            continue  # a plateau is stepped by validations
        place = (*part.path, "by_epoch") if part.given("by_epoch") else part.path
        if not part.cfg.get("convert_to_iter_based"):
            message = (
                f"'{part.name}' steps at the end of each epoch, and IterBasedTrainLoop has one epoch: it would do nothing; "
                "give by_epoch: false, and begin, end and the like in iterations"
            )
            yield context.problem("by-epoch-unit", place, message, at="value")
        elif not part.given("end") and not context.doubtful((*part.path, "end")):
            message = (
                f"IterBasedTrainLoop counts no epochs, so '{part.name}' would end after one pass through the data; "
                "give its end in epochs, or by_epoch: false and iterations"
            )
            yield context.problem("by-epoch-unit", place, message, at="value", severity="warning")


def _checkpoints(context: Context) -> Iterator[Problem]:
    for part in hooks(context):
        interval = number(part, "interval") if part.given("interval") else None
        if not part.is_a(_CHECKPOINT) or part.value("by_epoch") is not True or interval is None or interval < 1:
            continue
        message = (
            f"{interval} counts epochs, and IterBasedTrainLoop has one: nothing is saved before its end; "
            "give by_epoch: false beside it"
        )
        place = (*part.path, "interval")
        yield context.problem(
            "by-epoch-unit", place, message, at="value", severity="error" if interval > 1 else "warning"
        )


def _phases(context: Context) -> Iterator[Problem]:
    """Hooks that are there for a part of the run."""
    for part in hooks(context):
        place = (*part.path, "by_epoch") if part.given("by_epoch") else part.path
        if part.is_a(_SWITCH):
            message = f"'{part.name}' counts epochs, and IterBasedTrainLoop has one; train by epochs, or remove it"
            yield context.problem("by-epoch-unit", part.path, message, at="value")
        if part.value("by_epoch") is not True:
            continue
        if part.is_a(_FREEZE, _ACCUMULATION) and not _is_whole_run(part):
            message = (
                f"'{part.name}' counts epochs, and IterBasedTrainLoop has one: nothing would change after its start; "
                "give by_epoch: false, and iterations"
            )
            yield context.problem("by-epoch-unit", place, message, at="value")
        elif part.is_a(_SWA):
            message = "it counts epochs, and IterBasedTrainLoop has one; give by_epoch: false, and iterations"
            yield context.problem("by-epoch-unit", place, message, at="value")
        elif part.is_a(_PROFILER):
            message = (
                "IterBasedTrainLoop has one epoch, so the whole run would be profiled; give by_epoch: false, and "
                "profile_times in iterations"
            )
            yield context.problem("by-epoch-unit", place, message, at="value", severity="warning")


def _is_whole_run(part: Part) -> bool:
    """Whether a hook for a part of the run is there for all of it, or whether that is not known."""
    if part.is_a(_FREEZE):
        return part.value("begin") in (0, UNKNOWN) and part.value("end") in (None, UNKNOWN)
    schedule = part.value("schedule")
    rows = schedule if isinstance(schedule, list | tuple) else ()
    return all(isinstance(row, list | tuple) and row[:1] in ([0], (0,)) for row in rows)


def _log_processor(context: Context) -> Iterator[Problem]:
    part = part_at(context, "log_processor", ("log_processor",))
    if part is not None and part.is_a(_LOG_PROCESSOR) and part.given("by_epoch") and part.value("by_epoch") is True:
        message = "IterBasedTrainLoop has one epoch, and the log's lines would count within it; give by_epoch: false"
        yield context.problem("by-epoch-unit", ("log_processor", "by_epoch"), message, at="value", severity="warning")
