"""Where a key belongs that stands in the wrong mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, dotted
from runner.validation import fields
from runner.validation.fields import Schema

__all__ = ["owners"]


def owners(key: str, place: Path, data: Mapping[str, Any], visited: Mapping[int, Schema]) -> str | None:
    """What to say about an unknown key that stands elsewhere by right; None where there is nothing to say.

    Args:
        key: What was found.
        place: The mapping that it was found in.
        data: The config.
        visited: The schema that each mapping of the config was held against, by the mapping's `id`.
    """
    owner = _owner(key, place, data, visited)
    own = f"names of your own stand under 'vars': vars.{key}, read as ${{vars.{key}}}" if not place else None
    parts = [f"it belongs to {dotted(owner)}" if owner else None, own]
    said = [part for part in parts if part]
    return "; ".join(["no such key", *said]) if said else None


def _owner(key: str, place: Path, data: Mapping[str, Any], visited: Mapping[int, Schema]) -> Path | None:
    here = [path for path, schema in _walk(data, (), visited) if key in schema.get("properties", {}) and path != place]
    if here:
        return min(here, key=lambda path: (-_shared(path, place), len(path)))
    for name in fields.names():
        for path in _static(fields.load(name), (name,)):
            if path[-1] == key:
                return path[:-1]
    return None


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
