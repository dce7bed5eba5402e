"""JSON Schema fragments: the few forms that annotations become, and how alternatives are joined."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["ANY", "NULL", "OBJECT", "Fragment", "accepts", "array", "fixed_array", "join", "opaque", "slot", "slots_in"]

Fragment: TypeAlias = dict[str, Any]

ANY: Fragment = {}
NULL: Fragment = {"type": "null"}
OBJECT: Fragment = {"type": "object"}

_OPAQUE = "x-opaque"
_TENSOR = "torch._tensor:Tensor"
"""Alone, it can be written as numbers: the weights of classes. Beside other types, the others are meant."""


def slot(kind: str) -> Fragment:
    """Where a component stands."""
    return {"x-slot": kind}


def opaque(qualified: str) -> Fragment:
    """An object of a class that no config can write."""
    return {_OPAQUE: qualified}


def array(items: Fragment) -> Fragment:
    """A list of any length."""
    return {"type": "array", "items": items} if items else {"type": "array"}


def fixed_array(items: list[Fragment]) -> Fragment:
    """A list of a fixed length."""
    size = {"minItems": len(items), "maxItems": len(items)}
    if all(item == items[0] for item in items):
        return {"type": "array", **({"items": items[0]} if items and items[0] else {}), **size}
    return {"type": "array", "prefixItems": items, **size}


def join(alternatives: list[Fragment], notes: list[str]) -> Fragment:
    """Make one fragment of several.

    Args:
        alternatives: Any of them may hold.
        notes: Where it is said what could not be known.
    """
    found: list[Fragment] = []
    for each in alternatives:
        for part in each.get("anyOf", [each]):
            if part not in found:
                found.append(part)
    found = _absorb(found)
    hidden = [each[_OPAQUE] for each in found if _OPAQUE in each]
    if hidden:
        found = [each for each in found if _OPAQUE not in each]
        if hidden == [_TENSOR] and found in ([], [NULL]):
            return {"type": ["array", "null"] if found else "array", "x-python": "torch:Tensor"}
        if not found or found == [NULL]:
            note = f"a config cannot write a value of class {hidden[0].rpartition(':')[2]}; any value is accepted"
            if note not in notes:
                notes.append(note)
            return {}
    if ANY in found:
        return {}
    found = _merge(_subsume(found))
    return found[0] if len(found) == 1 else {"anyOf": found}


def _absorb(found: list[Fragment]) -> list[Fragment]:
    """Beside a slot, a plain mapping means the component's mapping, and a list of mappings means components."""
    slots = [each for each in found if "x-slot" in each]
    lists = any(each.get("type") == "array" and slots_in(each) for each in found)
    if slots or lists:
        found = [each for each in found if each != ANY]
    if slots:
        # `dict | BaseMetric | Sequence` is how configs' own unions are written; a bare `Sequence` alone may hold anything.
        plain = [array(OBJECT), *([array(ANY)] if OBJECT in found else [])]
        found = [array(slots[0]) if each in plain and not lists else each for each in found if each != OBJECT]
    if lists:
        found = [each for each in found if each not in (array(ANY), array(OBJECT))]
    return found


def _subsume(found: list[Fragment]) -> list[Fragment]:
    """Leave out what another alternative holds too."""
    plain = {each["type"] for each in found if len(each) == 1 and isinstance(each.get("type"), str)}
    kept = []
    for each in found:
        if len(each) == 1 and each.get("type") == "integer" and "number" in plain:
            continue
        if len(each) > 1 and each.get("type") in plain:
            continue
        if "string" in plain and "enum" in each and all(isinstance(value, str) for value in each["enum"]):
            continue
        kept.append(each)
    return kept


def _merge(found: list[Fragment]) -> list[Fragment]:
    """Write plain types as one list of types, and choices as one list of choices."""
    types = [each["type"] for each in found if set(each) == {"type"}]
    enums = [each for each in found if set(each) == {"enum"}]
    rest = [each for each in found if set(each) not in ({"type"}, {"enum"})]
    merged: list[Fragment] = []
    if enums:
        values = [value for each in enums for value in each["enum"]]
        if "null" in types:
            types.remove("null")
            values += [] if None in values else [None]
        merged.append({"enum": values})
    if types:
        flat = [name for each in types for name in ([each] if isinstance(each, str) else each)]
        merged.append({"type": flat[0] if len(flat) == 1 else flat})
    return [*rest, *merged]


def slots_in(fragment: Any) -> list[str]:
    """The kinds of the slots in a fragment, from the outside in."""
    if isinstance(fragment, list):
        return [kind for each in fragment for kind in slots_in(each)]
    if not isinstance(fragment, dict):
        return []
    own = [fragment["x-slot"]] if "x-slot" in fragment else []
    parts = [fragment[key] for key in ("anyOf", "items", "prefixItems", "additionalProperties") if key in fragment]
    return own + slots_in(parts)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": (list, tuple, set, frozenset),
    "object": dict,
}


def accepts(fragment: Fragment, value: Any) -> bool:
    """Whether a fragment of this module's forms holds for a default; a slot holds for names and mappings alone."""
    if "anyOf" in fragment:
        return any(accepts(each, value) for each in fragment["anyOf"])
    if "x-slot" in fragment:
        return isinstance(value, (str, dict))
    if "enum" in fragment:
        return any(type(value) is type(each) and value == each for each in fragment["enum"])
    names = fragment.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        return False
    return _within_bounds(fragment, value) and _items_hold(fragment, value)


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _within_bounds(fragment: Fragment, value: Any) -> bool:
    if not isinstance(value, (int, float)):
        return True
    return (
        value >= fragment.get("minimum", value)
        and value <= fragment.get("maximum", value)
        and not value <= fragment.get("exclusiveMinimum", value - 1)
        and not value >= fragment.get("exclusiveMaximum", value + 1)
    )


def _items_hold(fragment: Fragment, value: Any) -> bool:
    if not isinstance(value, (list, tuple, set, frozenset)):
        return True
    if not fragment.get("minItems", 0) <= len(value) <= fragment.get("maxItems", len(value)):
        return False
    items = fragment.get("prefixItems") or [fragment.get("items", ANY)] * len(value)
    return all(accepts(item, each) for item, each in zip(items, value, strict=False))
