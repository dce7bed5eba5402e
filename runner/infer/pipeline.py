"""Where a config's data sets have their transforms, and those transforms as one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.build import Builder
from runner.errors import Path
from runner.signature import describe

__all__ = ["composed", "transform_places"]

_USUAL = ("pipeline", "transform", "transforms")
"""What data sets call their transforms, the first of these where there are several."""


def transform_places(builder: Builder, cfg: Any, path: Path) -> Iterator[Path]:
    """Find a data set's argument for transforms; those of the data sets in it, where it takes none itself.

    Args:
        builder: Resolves types.
        cfg: The data set's mapping.
        path: Where it stands in the config.

    Yields:
        The arguments' places, whether the config gives them or not.
    """
    if not isinstance(cfg, Mapping):
        return
    target, _ = builder.resolve("dataset", cfg, path)
    slots = {each.name: each.slot for each in describe(target, catalog=builder.catalog).parameters}
    own = [name for name, slot in slots.items() if slot == "transform"]
    if own:
        yield (*path, next((name for name in _USUAL if name in own), own[0]))
        return
    for name in (name for name, slot in slots.items() if slot == "dataset"):
        inner = cfg.get(name)
        if isinstance(inner, Mapping):
            yield from transform_places(builder, inner, (*path, name))
        for number, each in enumerate(inner if isinstance(inner, (list, tuple)) else ()):
            yield from transform_places(builder, each, (*path, name, number))


def composed(transforms: Any) -> Callable[[Any], Any]:
    """Built transforms as one function: one, several in a row, or None for none."""
    if callable(transforms):
        return transforms  # type: ignore[no-any-return]  # a transform takes and gives whatever it likes
    steps: Sequence[Callable[[Any], Any]] = transforms or ()

    def apply(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return apply
