"""Which branches of an `anyOf` a value was meant for, so that a problem stands at the value and not at its parent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from runner.kinds import KINDS
from runner.validation.fields import Schema
from runner.validation.mistake import json_type
from runner.validation.suggest import nearest

__all__ = ["BARE", "choose", "flat", "is_type", "misspelt_type", "types_of"]

BARE = frozenset(kind.name for kind in KINDS.values() if kind.by_name)
"""Kinds whose components may be given by their bare name."""


def choose(branches: Sequence[Schema], instance: Any, plays: Callable[[str, str], bool]) -> list[Schema]:
    """The branches that could hold a value, by its JSON type and, for a mapping, by what its keys say it is.

    Args:
        branches: Of an `anyOf`; nested ones are taken apart.
        instance: The value.
        plays: Whether a type name is on offer for a kind.
    """
    fitting = [branch for branch in flat(branches) if is_type(instance, types_of(branch))]
    if not isinstance(instance, Mapping) or len(fitting) < 2:
        return fitting
    slots = [branch for branch in fitting if "x-slot" in branch]
    plain = [branch for branch in fitting if "x-slot" not in branch]
    if not slots:
        return plain
    if "type" in instance or misspelt_type(instance):
        typed = [branch for branch in plain if "type" in branch.get("properties", {})]
        return typed + _slots(slots, instance, plays)
    by_name = [branch for branch in plain if isinstance(branch.get("additionalProperties"), Mapping)]
    if by_name and instance and _are_named(instance.values()):
        return by_name
    keyed = [branch for branch in plain if any(key in branch.get("properties", {}) for key in instance)]
    return keyed or _slots(slots, instance, plays)


def _are_named(values: Collection[Any]) -> bool:
    """Whether a mapping's values are what stands under names: mappings or lists, or one of them with mappings in it."""
    return all(isinstance(value, Mapping | list | tuple) for value in values) or any(
        isinstance(each, Mapping)
        for value in values
        for each in (value if isinstance(value, list | tuple) else [value])
    )


def _slots(slots: list[Schema], instance: Mapping[str, Any], plays: Callable[[str, str], bool]) -> list[Schema]:
    """Of several slots: the ones that offer the type, else the ones whose telling keys are there, else the first."""
    name = instance.get("type")
    offered = [branch for branch in slots if isinstance(name, str) and plays(branch["x-slot"], name)]
    telling = [branch for branch in slots if "required" in branch and set(branch["required"]) <= set(instance)]
    plain = [branch for branch in slots if "required" not in branch]
    return (offered or telling or plain or slots)[:1]


def misspelt_type(instance: Mapping[str, Any]) -> str | None:
    """The key that must have been meant to be `type`: `typ`, `tpye`, `Type`."""
    if "type" in instance:
        return None
    texts = (key for key, value in instance.items() if isinstance(value, str) and key != "dtype")  # a word of its own
    return next((key for key in texts if nearest(key, ["type"], cutoff=0.75)), None)


def flat(branches: Sequence[Schema]) -> Iterator[Schema]:
    """Branches, with an `anyOf` inside an `anyOf` taken apart."""
    for branch in branches:
        if "anyOf" in branch:
            yield from flat(branch["anyOf"])
        else:
            yield branch


def types_of(branch: Schema) -> list[str]:
    """The JSON types that a schema allows; empty where it allows all."""
    if "type" in branch:
        return [branch["type"]] if isinstance(branch["type"], str) else list(branch["type"])
    if "x-slot" in branch:
        return ["object", "string"] if branch["x-slot"] in BARE else ["object"]
    if "properties" in branch or "additionalProperties" in branch:
        return ["object"]
    if "items" in branch or "prefixItems" in branch:
        return ["array"]
    values = branch.get("enum", [branch["const"]] if "const" in branch else [])
    return [name for name in map(json_type, values) if name]


def is_type(instance: Any, names: Sequence[str]) -> bool:
    """Whether a value is of one of the JSON types; an object that Python code put into a config is of any."""
    found = json_type(instance)
    return not names or found is None or found in names or (found == "integer" and "number" in names)
