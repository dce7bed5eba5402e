"""A mapping without `type` that is written for another component than the one it is built as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.errors import SignatureError
from runner.plugin import Entry
from runner.validation.fields import Schema
from runner.validation.mistake import Mistake, listed
from runner.validation.suggest import nearest

__all__ = ["other_type"]


def other_type(
    cfg: Mapping[str, Any], schema: Schema, others: Iterable[Entry], derive: Callable[[Entry], Schema]
) -> tuple[Mistake, Schema] | None:
    """The missing `type`, where all keys that the default one does not have are another's.

    Args:
        cfg: The mapping.
        schema: The default component's schema.
        others: The other components of the kind.
        derive: The schema of one of them.

    Returns:
        The mistake, and the schema to hold the mapping against; None where no other component fits better.
    """
    strangers = [key for key in cfg if key not in schema["properties"] and key not in schema["x-injected"]]
    if not strangers or schema["additionalProperties"] is not False:
        return None
    for entry in others:
        try:
            other = derive(entry)
        except SignatureError:
            continue  # whoever names it is told
        if _takes(other, cfg, strangers, [key for key in schema["required"] if key not in cfg]):
            message = f"missing; '{entry.name}' takes {listed(strangers)}: write type: {entry.name}"
            return Mistake(message, code="missing-key", path=("type",), at="key"), other
    return None


def _takes(other: Schema, cfg: Mapping[str, Any], strangers: Iterable[str], lacking: Iterable[str]) -> bool:
    """Whether the keys are another component's: by their names, or as the names of components in their own right."""
    if all(key in other["properties"] for key in strangers):
        return True
    inner = other["additionalProperties"]
    missing = list(lacking)
    return (
        isinstance(inner, Mapping)
        and "x-slot" in inner
        and bool(missing)
        and all(isinstance(cfg[key], Mapping) and all(name in cfg[key] for name in missing) for key in strangers)
        and not any(nearest(key, missing) for key in strangers)
    )
