"""Reading options that a config gives as a mapping: which keys there are, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from runner.errors import BuildError, Path

__all__ = ["check_keys", "check_number"]


def check_keys(options: object, allowed: Collection[str], *, name: str, path: Path = ()) -> Mapping[str, Any]:
    """Refuse what is no mapping, and keys that nobody reads.

    Args:
        options: What the config gives.
        allowed: The keys that mean something.
        name: What the options are called in the config.
        path: Where they stand, for the error.
    """
    if not isinstance(options, Mapping):
        raise BuildError(f"{name} must be a mapping, got {options!r}", path=path)
    for key in options:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise BuildError(f"{name} has no option {key!r}{hint} Allowed: {', '.join(sorted(allowed))}", path=path)
    return options


def check_number(value: object, *, name: str, above: float | None = None, path: Path = ()) -> float:
    """Refuse what is no number, or not above a bound.

    Args:
        value: What the config gives.
        name: What it is called in the config.
        above: An exclusive lower bound.
        path: Where it stands, for the error.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BuildError(f"{name} must be a number, got {value!r}", path=path)
    if above is not None and not value > above:
        raise BuildError(f"{name} must be above {above}, got {value!r}", path=path)
    return value
