"""Where checkpoints are written."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import hooks

__all__ = ["remote_checkpoints"]

_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"


def remote_checkpoints(context: Context) -> Iterator[Problem]:
    """A place for checkpoints that is not in the file system."""
    for part in hooks(context):
        out_dir = part.value("out_dir") if part.is_a(_CHECKPOINT) else None
        if isinstance(out_dir, str) and "://" in out_dir:
            message = (
                "checkpoints can't be written to remote stores yet; give a local folder, such as one that is mounted"
            )
            yield context.problem("remote-checkpoints", (*part.path, "out_dir"), message, at="value")
