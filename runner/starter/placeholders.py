"""Values for arguments that have to be given: not the right ones, but ones that are allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["placeholder"]

_PATHS = ("root", "path", "dir", "file", "folder")

Offered = Callable[[str], Any]
"""What stands for a component of a kind; raises LookupError where there is none."""


def placeholder(name: str, schema: Mapping[str, Any], offered: Offered) -> Any:
    """A value that a schema allows.

    Args:
        name: The argument's name: one that sounds like a path gets one.
        schema: What is allowed, as `Parameter.schema` has it.
        offered: What stands for a component of a kind.

    Raises:
        LookupError: A component is needed, and none of its kind is on offer.
    """
    if "x-slot" in schema:
        return offered(schema["x-slot"])
    if "anyOf" in schema:
        return _first(name, schema["anyOf"], offered)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "properties" in schema:
        required = schema.get("required", ())
        return {key: placeholder(key, schema["properties"].get(key, {}), offered) for key in required}
    if "items" in schema or "prefixItems" in schema:
        return _list(name, schema, offered)
    return _plain(name, schema)


def _plain(name: str, schema: Mapping[str, Any]) -> Any:
    types = schema.get("type", "string")
    first = types if isinstance(types, str) else types[0]
    if first in {"integer", "number"}:
        return _number(schema, whole=first == "integer")
    path = any(part in name.lower() for part in _PATHS)
    simple = {"string": f"data/{name}" if path else name, "boolean": False, "object": {}, "array": [], "null": None}
    return simple[first]


def _first(name: str, branches: list[Mapping[str, Any]], offered: Offered) -> Any:
    """Of several forms the first that is something and can be filled."""
    something = [branch for branch in branches if branch.get("type") != "null"]
    for branch in something[:-1]:
        try:
            return placeholder(name, branch, offered)
        except LookupError:
            continue
    return placeholder(name, something[-1], offered) if something else None


def _list(name: str, schema: Mapping[str, Any], offered: Offered) -> list[Any]:
    items = [placeholder(name, each, offered) for each in schema.get("prefixItems", ())]
    least = max(schema.get("minItems", 0), 0 if items else 1)
    rest = schema.get("items", {})
    return items + [placeholder(name, rest, offered) for _ in range(least - len(items))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """1 where that is allowed, else the number nearest to it that is."""
    step = 1 if whole else 1e-3
    low: float = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step)
    high: float = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - step)
    value = min(max(1, low), high)
    return math.ceil(value) if whole else value
