"""Hooks that run twice."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.fields import load
from runner.validation.rules.context import Context
from runner.validation.rules.parts import Part, hooks

__all__ = ["duplicate_hook"]

_SEVERAL = "runner.hooks.checkpoint:CheckpointHook"
"""Of this one a second may be meant: one saves by epochs, the other by iterations."""


def duplicate_hook(context: Context) -> Iterator[Problem]:
    """A hook of a default hook's very class beside that one."""
    known = load("default_hooks")["properties"]
    found = list(hooks(context))
    usual = {
        _class(part): str(part.path[1]) for part in found if part.path[0] == "default_hooks" and part.path[1] in known
    }
    for part in found:
        custom = part.path[0] == "custom_hooks"
        key = usual.get(_class(part))
        if key is None or part.path == ("default_hooks", key) or (not custom and part.path[1] in known):
            continue
        if custom and part.is_just(_SEVERAL):
            continue
        message = (
            f"a {part.name} runs already, as every run's default_hooks.{key}, and this is a second one; "
            f"configure it there, or give {key}: null"
        )
        yield context.problem("duplicate-hook", part.path, message, at="value" if custom else "key", severity="warning")


def _class(part: Part) -> str:
    return part.signature.bases[0] if part.signature.bases else part.entry.target
