"""Plain data of a config into the types that a constructor is annotated with: paths, dtypes, devices, sets, enums.

Which type is wanted is read from the same schema fragment that the value was checked against (`x-python`).
"""

from __future__ import annotations

import enum
import functools
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

__all__ = ["convert"]

_DTYPES = {str(value).removeprefix("torch."): value for value in vars(torch).values() if isinstance(value, torch.dtype)}

_KNOWN: Mapping[str, Callable[[Any], Any]] = {
    "pathlib:Path": Path,
    "torch:device": torch.device,
    # Weights of classes and the like: `[1, 2]` are floats as well.
    "torch:Tensor": functools.partial(torch.tensor, dtype=torch.get_default_dtype()),
    "torch:dtype": lambda name: _DTYPES[name.removeprefix("torch.")],
    "builtins:set": set,
}

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "array": (list, tuple),
    "object": dict,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def convert(value: Any, schema: Mapping[str, Any]) -> Any:
    """Turn a value into the type that its schema fragment asks for; anything else is returned as it is.

    Args:
        value: Plain data from a config, or an object that Python code gave.
        schema: The fragment of its parameter.
    """
    if "anyOf" in schema:
        branch = next((each for each in schema["anyOf"] if _takes(each, value)), None)
        return value if branch is None else convert(value, branch)
    wanted = schema.get("x-python")
    if wanted is not None:
        return _make(wanted, value) if _is_plain(value) else value
    items = schema.get("items")
    if isinstance(items, Mapping) and isinstance(value, list):
        return [convert(each, items) for each in value]
    return value


def _takes(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a branch of a union is the one for a value, by its kind of data."""
    if "enum" in schema:
        return not isinstance(value, (list, dict)) and value in schema["enum"]
    named = schema.get("type", ())
    return any(isinstance(value, _TYPES.get(name, ())) for name in ([named] if isinstance(named, str) else named))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, list, dict)) and not isinstance(value, enum.Enum)


def _make(wanted: str, value: Any) -> Any:
    make = _KNOWN.get(wanted)
    if make is not None:
        return make(value)
    # An enum or a dataclass that a constructor's annotation names; never a string of a config.
    module, _, name = wanted.partition(":")
    cls: Any = importlib.import_module(module)
    for part in name.split("."):
        cls = getattr(cls, part)
    if issubclass(cls, enum.Enum):
        return cls[value] if value in cls.__members__ else cls(value)
    return cls(**value) if isinstance(value, dict) else value
