"""Fields that stand among the names of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Problem
from runner.validation import fields
from runner.validation.rules.context import Context

__all__ = ["field_under_vars"]


def field_under_vars(context: Context) -> Iterator[Problem]:
    """A field under `vars` that the top of the config lacks and that nothing reads: most likely it slipped there."""
    strays = [name for name in context.section("vars") if name in fields.names() and name not in context.data]
    read = set(_read(context.raw)) if strays else set()
    for name in strays:
        if name not in read:
            message = f"nothing reads it here; the field '{name}' belongs to the top of the config"
            yield context.problem("field-under-vars", ("vars", name), message, severity="warning")


_REFERENCE = re.compile(r"vars\.(\w+)")


def _read(value: Any) -> Iterator[str]:
    """The names under `vars` that interpolations read, also from within others."""
    if isinstance(value, str) and "${" in value:
        yield from _REFERENCE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _read(item)
    elif isinstance(value, list):
        for item in value:
            yield from _read(item)
