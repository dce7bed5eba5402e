"""Arguments that a constructor takes one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from runner.errors import Problem
from runner.signature import UNKNOWN
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, hooks, schedules

__all__ = ["exclusive_arguments"]


def exclusive_arguments(context: Context) -> Iterator[Problem]:
    """`begin_iter` beside `begin_epoch`, `eta_min` beside `eta_min_ratio`, a newer name beside the older one."""
    for part in hooks(context):
        yield from _both(context, part, "begin_iter", "begin_epoch", unset=0)
        yield from _both(context, part, "file_client_args", "backend_args", unset=None)
    for part in itertools.chain.from_iterable(schedules(context)):
        yield from _both(context, part, "eta_min", "eta_min_ratio", unset=None)


def _both(context: Context, part: Part, first: str, second: str, *, unset: object) -> Iterator[Problem]:
    if not part.takes(first, second):
        return
    values = [part.value(name) if part.given(name) else unset for name in (first, second)]
    if all(value != unset and value is not UNKNOWN for value in values):
        message = f"'{part.name}' takes this or {first}, and both are given; remove one of the two"
        yield context.problem("exclusive-arguments", (*part.path, second), message)
