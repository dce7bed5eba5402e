"""What a parameter scheduler does within its window: half periods, cycles, restarts, phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.errors import Problem, Severity
from runner.validation.rules.context import Context
from runner.validation.rules.length import run_length, units
from runner.validation.rules.parts import Part, number, schedules, value_at
from runner.validation.rules.windows import Window, windows

__all__ = ["scheduler_arguments", "scheduler_period"]

_FAMILY = "runner.optim.scheduler.{}:{}ParamScheduler"
_COSINE = _FAMILY.format("cosine", "CosineAnnealing")
_CYCLIC = _FAMILY.format("cyclic", "Cyclic")
_INVERSE_SQRT = _FAMILY.format("inverse_sqrt", "InverseSqrt")
_ONE_CYCLE = _FAMILY.format("one_cycle", "OneCycle")
_PHASES = _FAMILY.format("warmup_stable_decay", "WarmupStableDecay")
_PLATEAU = _FAMILY.format("plateau", "ReduceOnPlateau")
_RESTART = _FAMILY.format("cosine_restart", "CosineRestart")


def scheduler_period(context: Context) -> Iterator[Problem]:
    """A half period, a cycle, periods or phases that do not fill the window."""
    for window in windows(context):
        length = window.length
        if length is None and window.part.is_a(_ONE_CYCLE):
            yield from _one_cycle_through(context, window)
        if length is None or length <= 0:
            continue
        for family, find in _FINDERS.items():
            if window.part.is_a(family):
                yield from find(context, window, length)


def scheduler_arguments(context: Context) -> Iterator[Problem]:
    """Arguments of a family that belong together, or that it can't do without."""
    for part in (part for group in schedules(context) for part in group):
        if part.is_a(_RESTART):
            yield from _restart_arguments(context, part)
        if part.is_a(_ONE_CYCLE) and context.whole and "eta_max" not in part.cfg and part.value("eta_max") == 0:
            message = f"'{part.name}' needs eta_max, the highest learning rate: without it the rate is 0 throughout"
            yield context.problem("missing-key", part.path, message, at="value")
        if part.is_a(_PLATEAU):
            yield from _plateau_arguments(context, part)


def _cosine(context: Context, window: Window, length: int) -> Iterator[Problem]:
    period = number(window.part, "T_max")
    if period is not None and period != length:
        what = "the value rises again after it" if period < length else "the minimum is not reached"
        message = (
            f"{period}, and the window has {length} steps (end - begin): {what}; leave T_max out, or give {length}"
        )
        yield _warning(context, window, "T_max", message)


def _one_cycle(context: Context, window: Window, length: int) -> Iterator[Problem]:
    total = number(window.part, "total_steps")
    if total is None or total == length:
        return
    # One step too many is MMEngine's, and goes a little up again.
    severity: Severity = "error" if length > total + 1 else "warning"
    what = "there is nothing to go on with after it" if length > total else "it is cut off on its way"
    message = (
        f"{total}, and the window has {length} steps (end - begin): {what}; leave total_steps out, or give {length}"
    )
    place = (*window.part.path, "total_steps")
    yield context.problem("scheduler-period", place, message, at="value", severity=severity)


def _one_cycle_through(context: Context, window: Window) -> Iterator[Problem]:
    """A cycle of iterations up to the end of a run by epochs, of which only the data knows how many iterations they have."""
    total, epochs = number(window.part, "total_steps"), run_length(context, epochs=True)
    if total is None or epochs is None or window.epochs:
        return
    place = (*window.part.path, "total_steps")
    batches = value_at(context, ("train_dataloader", "num_batch_per_epoch"))
    remedy = "leave total_steps out: the cycle then takes as many as there are"
    if total + 1 < epochs - window.begin:
        message = (
            f"{total} iterations, and {units(epochs, epochs=True)} have more: there is nothing to go on with; {remedy}"
        )
        yield context.problem("scheduler-period", place, message, at="value")
    elif isinstance(batches, int) and total != (length := epochs * batches - window.begin):
        what = "there is nothing to go on with after it" if total < length else "it is cut off on its way"
        message = (
            f"{total}, and {units(epochs, epochs=True)} of num_batch_per_epoch: {batches} leave it {length} iterations: "
            f"{what}; {remedy}"
        )
        yield context.problem("scheduler-period", place, message, at="value", severity="warning")


def _restarts(context: Context, window: Window, length: int) -> Iterator[Problem]:
    periods = window.part.value("periods")
    if not isinstance(periods, list | tuple) or not all(type(each) is int for each in periods):
        return
    total = sum(periods)
    if total != length:
        what = "the value stays after them" if total < length else "the last one is cut off on its way"
        message = f"the periods have {total} steps together, and the window has {length} (end - begin): {what}"
        yield _warning(context, window, "periods", message)


def _phases(context: Context, window: Window, length: int) -> Iterator[Problem]:
    warm_up, decay, stable = (number(window.part, name) for name in ("warmup_steps", "decay_steps", "stable_steps"))
    if warm_up is None or decay is None:
        return
    if window.part.value("stable_steps") is None:
        if warm_up + decay > length:
            message = (
                f"{decay}, after warmup_steps: {warm_up}, and the window has {length} steps (end - begin): they do not fit; "
                "give fewer"
            )
            place = (*window.part.path, "decay_steps")
            yield context.problem("scheduler-period", place, message, at="value")
    elif stable is not None and warm_up + stable + decay != length:
        total = warm_up + stable + decay
        what = "the value stays at its minimum after them" if total < length else "the decay is cut off on its way"
        message = (
            f"the phases have {total} steps together, and the window has {length} (end - begin): {what}; "
            "leave stable_steps out"
        )
        yield _warning(context, window, "stable_steps", message)


def _cycles(context: Context, window: Window, length: int) -> Iterator[Problem]:
    cycles = number(window.part, "cyclic_times")
    if cycles is not None and cycles > length:
        message = f"{cycles} cycles, and the window has {length} steps (end - begin); give at most {length}"
        yield context.problem("scheduler-period", (*window.part.path, "cyclic_times"), message, at="value")
    elif cycles and length % cycles:
        left = length % cycles
        message = (
            f"{length} steps (end - begin) are {cycles} cycles of {length // cycles}, and {left} of another: the value "
            "rises again at the end; give a number that divides the window"
        )
        yield _warning(context, window, "cyclic_times" if window.part.given("cyclic_times") else "end", message)


def _inverse_sqrt(context: Context, window: Window, length: int) -> Iterator[Problem]:
    warm_up = number(window.part, "warmup_steps")
    if warm_up and warm_up >= length:
        message = f"{warm_up}, and the window has {length} steps (end - begin): the decay never begins"
        yield _warning(context, window, "warmup_steps", message)


_FINDERS: dict[str, Callable[[Context, Window, int], Iterator[Problem]]] = {
    _COSINE: _cosine,
    _ONE_CYCLE: _one_cycle,
    _RESTART: _restarts,
    _PHASES: _phases,
    _CYCLIC: _cycles,
    _INVERSE_SQRT: _inverse_sqrt,
}


def _restart_arguments(context: Context, part: Part) -> Iterator[Problem]:
    periods, weights = part.value("periods"), part.value("restart_weights")
    if isinstance(periods, list | tuple) and isinstance(weights, list | tuple) and len(periods) != len(weights):
        message = (
            f"each period needs its restart weight: there are {len(periods)} periods and {len(weights)} restart_weights"
        )
        yield context.problem("scheduler-period", (*part.path, "restart_weights"), message, at="value")
    if part.value("eta_min") is None and part.value("eta_min_ratio") is None:
        message = f"'{part.name}' needs eta_min or eta_min_ratio, the lowest value; give one of the two"
        yield context.problem("missing-key", part.path, message, at="value")


def _plateau_arguments(context: Context, part: Part) -> Iterator[Problem]:
    for name, wrong in (("by_epoch", False), ("convert_to_iter_based", True)):
        if part.value(name) is wrong and part.given(name):
            message = f"'{part.name}' is stepped by validations, not by iterations; remove it"
            yield context.problem("by-epoch-unit", (*part.path, name), message)


def _warning(context: Context, window: Window, name: str, message: str) -> Problem:
    path = (*window.part.path, name)
    return context.problem("scheduler-period", path, message, at="value", severity="warning")
