"""Where a key belongs that stands in the wrong mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, dotted
from runner.validation import fields
from runner.validation.fields import Schema
from runner.validation.mistake import Mistake
from runner.validation.suggest import nearest

__all__ = ["send_home"]


_FAR = 0.85
"""A suggestion that is less like the key gives way to the mapping that has just this key."""


def send_home(mistake: Mistake, path: Path, data: Mapping[str, Any], visited: Mapping[int, Schema]) -> None:
    """Let an unknown key's message say where the key belongs, if it stands elsewhere by right.

    Args:
        mistake: The unknown key; changed in place.
        path: Its path.
        data: The config.
        visited: The schema that each mapping of the config was held against, by the mapping's `id`.
    """
    *parents, key = path
    place = tuple(parents)
    if mistake.suggestion is not None and nearest(str(key), [mistake.suggestion], cutoff=_FAR):
        return
    owner = _owner(str(key), place, data, visited)
    if mistake.suggestion is not None and owner is None:
        return
    mistake.suggestion = None
    if owner:
        mistake.message = f"no such key; it belongs to {dotted(owner)}"
    elif not place:
        mistake.message = f"no such key; names of your own stand under 'vars': vars.{key}, read as ${{vars.{key}}}"


def _owner(key: str, place: Path, data: Mapping[str, Any], visited: Mapping[int, Schema]) -> Path | None:
    """The mapping that has a key of that name: of the same part of the config, or, for the top, of the fields."""
    here = [path for path, schema in _walk(data, (), visited) if key in schema.get("properties", {}) and path != place]
    fixed = [path for name in fields.names() for path in _static(fields.load(name), (name,)) if path[-1] == key]
    if fixed and (not place or not here):
        return fixed[0][:-1]
    return min(here, key=lambda path: (-_shared(path, place), len(path)), default=None)


def _walk(value: Any, path: Path, visited: Mapping[int, Schema]) -> Iterator[tuple[Path, Schema]]:
    if isinstance(value, Mapping):
        if id(value) in visited:
            yield path, visited[id(value)]
        for key, item in value.items():
            yield from _walk(item, (*path, key), visited)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index), visited)


def _static(schema: Schema, path: Path) -> Iterator[Path]:
    """The keys that the schema files themselves name, below a field."""
    for key, child in schema.get("properties", {}).items():
        yield (*path, key)
        yield from _static(child, (*path, key))
    for branch in schema.get("anyOf", ()):
        yield from _static(branch, path)


def _shared(one: Path, other: Path) -> int:
    """How many parts of two paths agree from the top."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
