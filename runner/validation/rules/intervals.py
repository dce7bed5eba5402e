"""Checkpoints, validations, averages and frozen parts that come too late for the run."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.length import counts_epochs, run_length, units
from runner.validation.rules.parts import hooks, number, train_loop

__all__ = ["interval_beyond_run"]

_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"
_EMA = "runner.hooks.ema:EMAHook"
_FREEZE = "runner.hooks.freeze:FreezeHook"
_SWA = "runner.hooks.swa:SWAHook"


def interval_beyond_run(context: Context) -> Iterator[Problem]:
    """Intervals and beginnings of checkpoints, validations, averages and frozen parts that the run does not last for."""
    for epochs in (True, False):
        run = run_length(context, epochs=epochs)
        if run is not None:
            yield from _checkpoints(context, run, epochs=epochs)
            yield from _averages(context, run, epochs=epochs)
            yield from _frozen(context, run, epochs=epochs)
            if context.has("val_cfg"):
                yield from _validations(context, run, epochs=epochs)


def _checkpoints(context: Context, run: int, *, epochs: bool) -> Iterator[Problem]:
    length = units(run, epochs=epochs)
    for part in hooks(context):
        if not part.is_a(_CHECKPOINT) or part.value("by_epoch") is not epochs:
            continue
        last = part.value("save_last")
        what = {True: "only the last one is saved", False: "none is saved"}.get(last, "there is no periodic one")
        # A save at `save_begin` comes before the first interval is over.
        for name in ("interval", "save_begin") if part.value("save_begin") == 0 else ("save_begin",):
            value = number(part, name) if part.given(name) else None
            if value is not None and value > run:
                message = f"{value}, and the run has {length}: {what}"
                place = (*part.path, name)
                yield context.problem("interval-beyond-run", place, message, at="value", severity="warning")


def _averages(context: Context, run: int, *, epochs: bool) -> Iterator[Problem]:
    length = units(run, epochs=epochs)
    for part in hooks(context):
        name = "begin_epoch" if epochs else "begin_iter"
        begin = number(part, name) if part.is_a(_EMA) else None
        if begin is not None and begin > run:
            message = f"{begin}, and the run has {length}: the average would never begin"
            yield context.problem("interval-beyond-run", (*part.path, name), message, at="value")
        if part.is_a(_SWA) and part.value("by_epoch") is epochs:
            share, interval = part.value("swa_begin"), number(part, "interval")
            if isinstance(share, int | float) and interval is not None:
                begin = int(share * run) if isinstance(share, float) else share
                if begin + interval > run:
                    message = f"the average would begin after {begin}, and the run has {length}: begin earlier"
                    place = (*part.path, "swa_begin") if part.given("swa_begin") else part.path
                    yield context.problem("interval-beyond-run", place, message, at="value")


def _frozen(context: Context, run: int, *, epochs: bool) -> Iterator[Problem]:
    for part in hooks(context):
        begin = number(part, "begin") if part.is_a(_FREEZE) and part.value("by_epoch") is epochs else None
        if begin is not None and begin >= run:
            message = f"{begin}, counted from 0, and the run has {units(run, epochs=epochs)}: nothing would be frozen"
            yield context.problem("interval-beyond-run", (*part.path, "begin"), message, at="value")


def _validations(context: Context, run: int, *, epochs: bool) -> Iterator[Problem]:
    loop = train_loop(context)
    assert loop is not None
    assert counts_epochs(context) is epochs
    length = units(run, epochs=epochs)
    begin = number(loop, "val_begin")
    if begin is not None and begin > run:
        message = f"the first validation would follow number {begin}, and the run has {length}: there is none"
        yield context.problem(
            "interval-beyond-run", ("train_cfg", "val_begin"), message, at="value", severity="warning"
        )
        return
    interval = number(loop, "val_interval") if loop.given("val_interval") else None
    if interval is not None and interval > run and not loop.value("dynamic_intervals"):
        message = f"{interval}, and the run has {length}: there is one validation, at its end"
        yield context.problem(
            "interval-beyond-run", ("train_cfg", "val_interval"), message, at="value", severity="warning"
        )
