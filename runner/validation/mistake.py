"""One finding of a schema, before it has a place in a file: jsonschema's error with our code and words."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from jsonschema.exceptions import ValidationError

from runner.errors import Severity
from runner.validation.suggest import nearest

__all__ = ["Mistake", "did_you_mean", "json_type", "listed", "shown", "unknown_key"]

_LISTED = 12
"""Names that a message lists before it says how many more there are."""

_PLAIN: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
    tuple: "array",
}


_SAME, _ALIKE = 0.9, 0.75
"""How like a key that is there already another one is that was meant to be it (in an override, or over a base's key):
surely, and where no key that is not there is as near."""


_WRITTEN = 1000
"""Keys of a mapping that a person may have written, and misspelt; a file of a million keys is refused in seconds."""

_LANGUAGE = {
    "_base_": "bases are named at the top of a file, not below it and not by an override",
    "_delete_": "it stands in the mapping that replaces another: {_delete_: true, …}",
}
"""Keys of the config language, and what to say where they came too late to mean anything."""


class Mistake(ValidationError):  # noqa: N818 - it is data and never raised
    """A violation of a schema.

    Attributes:
        code: The problem's slug.
        at: Whether it stands at a key or at its value.
        suggestion: What was probably meant.
        severity: Errors refuse the config.
        final: Whether the message says already where else the key belongs.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        path: Sequence[str | int] = (),
        at: Literal["key", "value"] = "value",
        suggestion: str | None = None,
        severity: Severity = "error",
        final: bool = False,
    ) -> None:
        super().__init__(message, validator=code, path=path)
        self.code = code
        self.at = at
        self.suggestion = suggestion
        self.severity = severity
        self.final = final

    @classmethod
    def of(cls, error: ValidationError) -> Mistake:
        """An error as ours: keywords that we have no words for (`pattern`, `not`) speak jsonschema's."""
        if isinstance(error, cls):
            return error
        return cls(error.message, code="not-allowed", path=tuple(error.path))


def json_type(value: Any) -> str | None:
    """The JSON type of a config's value; None for an object that Python code put there."""
    found = _PLAIN.get(type(value))
    if found is None and isinstance(value, Mapping):
        return "object"
    return found


def shown(value: Any) -> str:
    """A value as a message shows it: short, and in YAML's words."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        text = value if len(value) <= 40 else value[:37] + "…"
        return f"the string '{text}'"
    if isinstance(value, float) and not math.isfinite(value):
        return "not a number (.nan)" if math.isnan(value) else f"{'-' if value < 0 else ''}infinity"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)


def listed(names: Iterable[Any]) -> str:
    """Names in a sentence: `'a', 'b'`, and how many more there are."""
    words = [f"'{name}'" if isinstance(name, str) else json.dumps(name) for name in names]
    more = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def did_you_mean(suggestion: str | None) -> str:
    """The end of a message: `; did you mean 'lr'?`, or nothing."""
    return f"; did you mean '{suggestion}'?" if suggestion else ""


def unknown_key(key: str, schema: Mapping[str, Any], given: Collection[str] = ()) -> Mistake:
    """A key that a mapping does not have.

    Args:
        key: What was found.
        schema: The mapping's schema: its properties are what is allowed, `title` whose they are, `x-hints` what to
            say about keys that people often look for here.
        given: The keys that are there: one that is not is likelier to be meant.
    """
    properties = schema.get("properties", {})
    hint = schema.get("x-hints", {}).get(key) or _LANGUAGE.get(key)
    if hint is not None:
        return Mistake(f"no such key; {hint}", code="unknown-key", path=(key,), at="key", final=True)
    allowed = sorted(properties)
    suggestion = _meant(key, allowed, given)
    if suggestion is not None:
        text = f"no such key{did_you_mean(suggestion)}"
    elif allowed:
        owner = schema.get("title")
        text = (
            f"no such key; {owner} takes {listed(allowed)}" if owner else f"no such key; allowed are {listed(allowed)}"
        )
    else:
        text = "no such key; no keys are allowed here"
    return Mistake(text, code="unknown-key", path=(key,), at="key", suggestion=suggestion)


def _meant(key: str, allowed: Sequence[str], given: Collection[str]) -> str | None:
    """The key that was meant: one that is not there yet, unless the likeness leaves no doubt."""
    if len(given) > _WRITTEN:
        return None
    best = nearest(key, allowed)
    if best is None or best not in given or nearest(key, [best], cutoff=_SAME):
        return best
    absent = (name for name in allowed if name not in given)
    return nearest(key, absent, cutoff=_ALIKE) or nearest(key, [best], cutoff=_ALIKE)
