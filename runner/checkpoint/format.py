"""What a checkpoint may hold: plain data and tensors, which load with `weights_only=True` on any machine.

NumPy's scalars and arrays are turned into Python's and torch's. Everything else is refused when it is saved, by the
name of who put it there, and not when somebody needs to read it back.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from os import PathLike
from typing import Any, Final, TypeAlias

import numpy as np
import torch

from runner.checkpoint.host_copies import HostCopies
from runner.dist.sharding import is_dtensor
from runner.errors import CheckpointError

__all__ = ["to_plain"]

ATOMS: Final = frozenset(
    {
        type(None),
        bool,
        float,
        complex,
        str,
        bytes,
        bytearray,
        torch.Size,
        torch.device,
        torch.dtype,
    }
)
"""Types that are written as they are. Exactly these: a subclass is written by its own name, which cannot be read."""

KEYS: Final = frozenset({type(None), bool, int, float, str, bytes})
MAX_DEPTH: Final = 200
"""Levels of nesting; pickle, which writes the file, gives up at some 500."""
MAX_INTEGER_BITS: Final = 255 * 8 - 1
"""`weights_only` reads integers of up to 255 bytes."""
SHOWN_PROBLEMS: Final = 10

Where: TypeAlias = tuple[object, ...]
"""The keys and indices that lead to a value."""


def to_plain(value: Any, owner: str, copies: HostCopies | None = None) -> Any:
    """Return a copy of a value that consists of plain data and tensors alone.

    Containers are copied; tensors are detached and brought to the CPU, and shared where they are there already.

    Args:
        value: What is to be saved.
        owner: Who put it there, as the error names it: `hook EMAHook`.
        copies: Takes copies of all tensors, those on the CPU too, so that what is returned can be written while training
            goes on; `wait` for them before they are read.

    Raises:
        CheckpointError: Something in it cannot be read back; all such places are named, nothing was written.
    """
    conversion = _Conversion(copies)
    plain = conversion.convert(value, ())
    if conversion.problems:
        shown = conversion.problems[:SHOWN_PROBLEMS]
        if len(conversion.problems) > len(shown):
            shown.append(f"and {len(conversion.problems) - len(shown)} more")
        listing = "\n".join(f"  {problem}" for problem in shown)
        raise CheckpointError(
            f"the checkpoint was not written, since {owner} puts something into it that could not be read back safely:\n"
            f"{listing}\n"
            "A checkpoint holds None, bool, int, float, complex, str, bytes, list, tuple, set, dict, OrderedDict, Counter, "
            "tensors, and NumPy scalars and arrays of numbers"
        )
    return plain


class _Conversion:
    """One walk over a value, which goes on after a problem so that all are told at once."""

    def __init__(self, copies: HostCopies | None) -> None:
        self._copies = copies
        self.problems: list[str] = []
        # By identity: what stands in two places is written once, and stays one object when it is read.
        self._done: dict[int, tuple[Any, Any]] = {}
        self._open: set[int] = set()
        self._moved: dict[tuple[object, ...], torch.Tensor] = {}

    def convert(self, value: Any, where: Where) -> Any:
        """Return the plain form of a value, None in place of what has none."""
        kind = type(value)
        plain = value
        if kind is int:
            self._check_integer(value, where)
        elif kind in CONTAINERS:
            plain = self._container(value, where)
        elif isinstance(value, torch.Tensor):
            plain = self._tensor(value)
        elif isinstance(value, np.generic):
            plain = self._numpy_scalar(value, where)
        elif kind is np.ndarray:
            plain = self._numpy_array(value, where)
        elif kind not in ATOMS:
            self._refuse(value, where)
        return plain

    def _check_integer(self, value: int, where: Where) -> None:
        if value.bit_length() > MAX_INTEGER_BITS:
            self.problems.append(f"{_place(where)} is an integer of {value.bit_length()} bits; store str(value)")

    def _tensor(self, value: torch.Tensor) -> torch.Tensor:
        tensor = value.detach()
        if is_dtensor(tensor):
            return tensor  # put together, or written as shares, when everything is in place
        if type(tensor) is not torch.Tensor:
            tensor = tensor.as_subclass(torch.Tensor)
        if self._copies is not None and tensor.device.type != "meta":
            return self._moved_once(tensor, self._copies.copy)
        if tensor.layout is not torch.strided or tensor.device.type == "meta":
            return tensor.cpu() if tensor.device.type != "meta" else tensor
        if tensor.device.type == "cpu":
            # A view would be written with all of the tensor that it looks into.
            whole = tensor.untyped_storage().nbytes() <= tensor.numel() * tensor.element_size()
            return tensor if whole else tensor.clone()
        return self._moved_once(tensor, torch.Tensor.cpu)

    def _moved_once(self, tensor: torch.Tensor, move: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Tied weights are two tensors over one storage: they are copied, and written, once."""
        if tensor.layout is not torch.strided or tensor.numel() == 0:
            return move(tensor)
        key = (tensor.data_ptr(), tensor.dtype, tensor.device, tensor.shape, tensor.stride())
        if key not in self._moved:
            self._moved[key] = move(tensor)
        return self._moved[key]

    def _numpy_scalar(self, value: np.generic, where: Where) -> Any:
        plain = value.item()
        if type(plain) is int or type(plain) in ATOMS:
            return plain
        self.problems.append(f"{_place(where)} is a NumPy scalar of type {value.dtype}; store a number or str(value)")
        return None

    def _numpy_array(self, value: np.ndarray[Any, Any], where: Where) -> torch.Tensor | None:
        native = value.astype(value.dtype.newbyteorder("="), order="C", copy=True)
        try:
            return torch.from_numpy(native)
        except TypeError:
            hint = "store value.tolist()" if value.dtype.kind in "OUS" else "store it as an array of numbers"
            self.problems.append(f"{_place(where)} is a NumPy array of type {value.dtype}, which no tensor has; {hint}")
            return None

    def _container(self, value: Any, where: Where) -> Any:
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        if id(value) in self._open:
            self.problems.append(f"{_place(where)} contains itself; break the circle")
            return None
        if len(where) >= MAX_DEPTH:
            self.problems.append(f"{_place(where[:3])} is nested more than {MAX_DEPTH} levels deep; flatten it")
            return None
        self._open.add(id(value))
        plain = self._copy(value, where)
        self._open.discard(id(value))
        # The original is kept with it, so that its identity is not given to another object meanwhile.
        self._done[id(value)] = (value, plain)
        return plain

    def _copy(self, value: Any, where: Where) -> Any:
        kind = type(value)
        if isinstance(value, dict):
            copy = kind()
            for key, item in value.items():
                copy[self._key(key, where)] = self.convert(item, (*where, key))
            if kind is OrderedDict and vars(value):
                # A module's state_dict carries its `_metadata` (layer versions) as an attribute.
                vars(copy).update(self.convert(dict(vars(value)), where))
            return copy
        if kind is set:
            return {self._key(item, where) for item in value}
        items = [self.convert(item, (*where, index)) for index, item in enumerate(value)]
        return items if kind is list else tuple(items)

    def _key(self, key: Any, where: Where) -> Any:
        """A key of a mapping or an item of a set: it must be found again by its value."""
        if isinstance(key, np.generic):
            return self._numpy_scalar(key, (*where, key))
        if type(key) in KEYS:
            return key
        if type(key) is tuple:
            return tuple(self._key(item, where) for item in key)
        self.problems.append(
            f"{_place(where)} has a key or an item of type {_type_name(key)}: {_shorten(key)}; "
            f"keys and items of sets can be None, bool, int, float, str, bytes and tuples of them"
        )
        return None

    def _refuse(self, value: Any, where: Where) -> None:
        hint = _hint(value)
        advice = f"; store {hint}" if hint else ""
        self.problems.append(f"{_place(where)} is of type {_type_name(value)}: {_shorten(value)}{advice}")


CONTAINERS: Final = frozenset({dict, OrderedDict, Counter, list, tuple, set})


def _place(where: Where) -> str:
    if not where:
        return "the value itself"
    return f"checkpoint{''.join(f'[{key!r}]' for key in where)}"


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _shorten(value: object, width: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"


_HINTS: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((PathLike, date, datetime, time, timedelta), "str(value)"),
    ((enum.Enum,), "value.value"),
    ((np.ndarray,), "numpy.asarray(value)"),
    ((dict,), "dict(value)"),
    ((tuple,), "tuple(value)"),
    ((str,), "str(value)"),
    ((int,), "int(value)"),
    ((float,), "float(value)"),
    ((frozenset,), "set(value)"),
    ((range, list), "list(value)"),
)


def _hint(value: object) -> str | None:
    """What to store in a value's place."""
    for kinds, hint in _HINTS:
        if isinstance(value, kinds):
            return hint
    if is_dataclass(value) and not isinstance(value, type):
        return "dataclasses.asdict(value)"
    return "value.state_dict()" if callable(getattr(value, "state_dict", None)) else None
