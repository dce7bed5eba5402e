"""Averages of the weights, of which a run has one."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import hooks

__all__ = ["exclusive_hooks"]

_EMA = "runner.hooks.ema:EMAHook"
_SWA = "runner.hooks.swa:SWAHook"


def exclusive_hooks(context: Context) -> Iterator[Problem]:
    """A second hook that puts an average in the weights' place."""
    first = None
    for part in hooks(context):
        if not part.is_a(_EMA, _SWA):
            continue
        if first is not None:
            message = f"'{part.name}' and '{first}' both take the weights' place in a checkpoint; keep one of them"
            yield context.problem("exclusive-hooks", part.path, message, at="value")
        first = first or part.name
