"""Where a key belongs that stands in the wrong mapping."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runner.errors import Path, dotted
from runner.validation import fields
from runner.validation.fields import Schema
from runner.validation.mistake import Mistake
from runner.validation.suggest import nearest

__all__ = ["Homes"]


_FAR = 0.85
"""A suggestion that is less like the key gives way to the mapping that has just this key."""


class Homes:
    """Which mapping has a key of a name: of this config, or anywhere in the fields.

    Args:
        data: The config.
        visited: The schema that each mapping of the config was held against, by the mapping's `id`.
        lacking: The paths of required keys that are not there.
    """

    def __init__(self, data: Mapping[str, Any], visited: Mapping[int, Schema], lacking: Collection[Path] = ()) -> None:
        self.elsewhere: set[Path] = set()
        """Where the keys belong that were sent home."""
        self._data = data
        self._lacking = lacking
        self._visited = visited

    def send_home(self, mistake: Mistake, path: Path) -> None:
        """Let an unknown key's message say where the key belongs, if it stands elsewhere by right.

        Args:
            mistake: The unknown key; changed in place.
            path: Its path.
        """
        *parents, key = path
        place = tuple(parents)
        if mistake.suggestion is not None and nearest(str(key), [mistake.suggestion], cutoff=_FAR):
            return
        owner = self._owner(str(key), place)
        if mistake.suggestion is not None and owner is None:
            return
        mistake.suggestion = None
        if owner is not None:
            self.elsewhere.add((*owner, key))
            where = dotted(owner) if owner else "the top of the config, beside 'model'"
            mistake.message = f"no such key; it belongs to {where}"
        elif not place:
            mistake.message = f"no such key; names of your own stand under 'vars': vars.{key}, read as ${{vars.{key}}}"

    def _owner(self, key: str, place: Path) -> Path | None:
        """The mapping that has a key of that name: of the same part of the config, or, for the top, of the fields."""
        if place and key in fields.names():
            return ()
        lacking = [path[:-1] for path in self._lacking if path[-1] == key and path[:-1] != place]
        if lacking:
            return min(lacking, key=lambda path: (-_shared(path, place), len(path)))
        here = [path for path in self._in_config.get(key, ()) if path != place]
        fixed = _in_fields().get(key)
        if fixed is not None and (not place or not here):
            return fixed
        return min(here, key=lambda path: (-_shared(path, place), len(path)), default=None)

    @functools.cached_property
    def _in_config(self) -> dict[str, list[Path]]:
        """The mappings of the config that may have a key, by the key: gathered once, however many keys are unknown."""
        found: dict[str, list[Path]] = {}
        for path, schema in _walk(self._data, (), self._visited):
            for key in schema.get("properties", {}):
                found.setdefault(key, []).append(path)
        return found


@functools.cache
def _in_fields() -> dict[str, Path]:
    """The first mapping that the schema files themselves give a key, by the key."""
    found: dict[str, Path] = {}
    for name in fields.names():
        for *owner, key in _static(fields.load(name), (name,)):
            found.setdefault(str(key), tuple(owner))
    return found


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
