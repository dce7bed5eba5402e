"""Whether a schema is one, for schemas of megabytes: parts that are made alike are looked at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from runner.errors import Path

__all__ = ["unsound"]

_ONE = frozenset({"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"})
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
_TOLD = frozenset({"$comment", "description", "title"})


def unsound(schema: Any) -> tuple[Path, str] | None:
    """Find what draft 2020-12 forbids in a schema; None where there is nothing.

    A schema with all its parts is sound where each of them is, with `true` in the place of the parts within it. What
    remains of most is alike, and each is held against the draft's own schema, which is slow, once.

    Returns:
        The first place, and what is wrong there.
    """
    known: set[str] = set()
    for path, part in _parts(schema, ()):
        shell = _shell(part)
        text = json.dumps(shell, sort_keys=True)
        if text in known:
            continue
        known.add(text)
        try:
            Draft202012Validator.check_schema(shell)
        except SchemaError as error:
            return (*path, *error.path), error.message
    return None


def _parts(schema: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """A schema and the schemas in it."""
    yield path, schema
    if not isinstance(schema, Mapping):
        return
    for key, value in schema.items():
        if key in _ONE:
            yield from _parts(value, (*path, key))
        elif key in _MANY and isinstance(value, list):
            for number, each in enumerate(value):
                yield from _parts(each, (*path, key, number))
        elif key in _NAMED and isinstance(value, Mapping):
            for name, each in value.items():
                yield from _parts(each, (*path, key, name))


def _shell(schema: Any) -> Any:
    """A schema without the schemas in it, and without what the draft allows in any form."""
    if not isinstance(schema, Mapping):
        return schema
    return {key: _emptied(key, value) for key, value in schema.items() if key not in {"const", "default"}}


def _emptied(key: str, value: Any) -> Any:  # noqa: PLR0911 - one case after the other
    if key in _ONE:
        return True
    if key in _MANY and isinstance(value, list) and value:
        return [True]
    if key in _NAMED and isinstance(value, Mapping):
        # The keys of `patternProperties` are expressions.
        return dict.fromkeys(value, True) if key == "patternProperties" else {}
    if key in _TOLD and isinstance(value, str):
        return ""
    if key == "enum" and isinstance(value, list):
        return []
    if key == "$ref" and isinstance(value, str) and value.startswith("#/$defs/"):
        return "#"
    return value
