"""Initializers that fill nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import part_at

__all__ = ["initializer_without_layer"]

_BASE = "runner.model.weight_init:BaseInit"


def initializer_without_layer(context: Context) -> Iterator[Problem]:
    """An initializer of `init_cfg` fills the layers that `layer` names, and what `override` names."""
    for path, cfg in _initializers(context.data.get("model"), ("model",)):
        part = part_at(context, "weight_init", path)
        if part is None or not part.is_a(_BASE) or "override" in cfg:
            continue
        if part.value("layer") in (None, [], ""):
            yield context.problem(
                "initializer-without-layer",
                (*path, "type"),
                f"'{part.name}' fills nothing; give 'layer' the names of classes, such as Conv2d, or 'override'",
                severity="warning",
            )


def _initializers(value: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The mappings under every `init_cfg`, with their places."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "init_cfg":
                several: list[tuple[Path, Any]] = [((*path, key), each)] if isinstance(each, Mapping) else []
                if isinstance(each, list | tuple):
                    several = [((*path, key, number), one) for number, one in enumerate(each)]
                yield from ((place, one) for place, one in several if isinstance(one, Mapping))
            else:
                yield from _initializers(each, (*path, key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _initializers(each, (*path, number))
