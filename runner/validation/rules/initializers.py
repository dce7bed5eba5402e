"""Initializers that fill nothing."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import initializers

__all__ = ["initializer_without_layer"]

_BASE = "runner.model.weight_init:BaseInit"


def initializer_without_layer(context: Context) -> Iterator[Problem]:
    """An initializer of `init_cfg` fills the layers that `layer` names, and what `override` names."""
    for part in initializers(context):
        # What `override` names is filled as a whole.
        if not part.is_a(_BASE) or "override" in part.cfg or "override" in part.path:
            continue
        if part.value("layer") in (None, [], ""):
            yield context.problem(
                "initializer-without-layer",
                (*part.path, "type"),
                f"'{part.name}' fills nothing; give 'layer' the names of classes, such as Conv2d, or 'override'",
                severity="warning",
            )
