"""Records that stand for the objects of a foreign checkpoint, so that it can be read without running its code.

A checkpoint of MMEngine or MMCV names classes (`HistoryBuffer`, NumPy's array) whose code would run when it is loaded.
Here each such name becomes a class that only remembers what it was given. What NumPy wrote is then decoded by hand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from typing_extensions import Self

__all__ = ["Inert", "decode_numpy", "stand_in"]


class Inert:
    """What a checkpoint said about an object whose class is not loaded.

    Attributes:
        name: The class's or function's full name, as the checkpoint names it.
        arguments: What it would have been called with.
        state: What its attributes would have been set to; None where there was nothing.
    """

    name: ClassVar[str] = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Self:
        """Remember what the class would have been called with."""
        record = super().__new__(cls)
        object.__setattr__(record, "arguments", arguments)
        object.__setattr__(record, "state", None)
        return record

    def __init__(self, *arguments: Any) -> None:
        """Take what `__new__` has already remembered."""

    def __setstate__(self, state: Any) -> None:
        object.__setattr__(self, "state", state)

    def __repr__(self) -> str:
        state = sorted(map(str, self.state)) if isinstance(self.state, dict) else self.state
        return f"<inert {self.name}, arguments {self.arguments!r}, state {state!r}>"


class _Mapping(Inert):
    """Stands for a subclass of dict, which the reader fills key by key."""

    def __new__(cls, *arguments: Any) -> Any:
        """Return the mapping itself."""
        return OrderedDict(arguments[0]) if arguments and isinstance(arguments[0], dict) else OrderedDict()


class _List(Inert):
    """Stands for a subclass of list, or a deque, which the reader fills item by item."""

    def __new__(cls, *arguments: Any) -> Any:
        """Return the list itself."""
        return list(arguments[0]) if arguments and isinstance(arguments[0], (list, tuple)) else []


_SHAPES: dict[str, type[Inert]] = {"object": Inert, "mapping": _Mapping, "list": _List}


def stand_in(name: str, shape: str = "object") -> type[Inert]:
    """Return a class that is found under a foreign name and does nothing.

    Args:
        name: The full name: `mmengine.logging.history_buffer.HistoryBuffer`.
        shape: `object`, or `mapping` or `list` where the checkpoint fills it like one.
    """
    module, _, qualname = name.rpartition(".")
    # torch finds an allowed class by these two, not by the name it is registered under.
    return type(qualname, (_SHAPES[shape],), {"name": name, "__module__": module, "__qualname__": qualname})


def decode_numpy(value: Any) -> Any:
    """Replace the records of NumPy's arrays and scalars by tensors and Python numbers, wherever they stand.

    Args:
        value: What was read. Its containers are changed in place where that is possible.
    """
    return _walk(value, {})


def _walk(value: Any, seen: dict[int, Any]) -> Any:
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, dict):
        seen[id(value)] = value
        for key in list(value):
            value[key] = _walk(value[key], seen)
        return value
    if isinstance(value, list):
        seen[id(value)] = value
        value[:] = [_walk(item, seen) for item in value]
        return value
    if type(value) is tuple:
        return tuple(_walk(item, seen) for item in value)
    if isinstance(value, Inert):
        return _walk_record(value, seen)
    return value


def _walk_record(record: Inert, seen: dict[int, Any]) -> Any:
    decode = _DECODERS.get(record.name.replace("numpy.core.", "numpy._core."))
    decoded = decode(record) if decode else None
    if decoded is None:
        seen[id(record)] = record
        object.__setattr__(record, "arguments", tuple(_walk(item, seen) for item in record.arguments))
        object.__setattr__(record, "state", _walk(record.state, seen))
        return record
    seen[id(record)] = decoded
    return decoded


def _dtype(record: Any) -> np.dtype[Any] | None:
    """The type that a record of a NumPy dtype describes, if it is one of numbers or text."""
    if not isinstance(record, Inert) or not record.arguments or not isinstance(record.arguments[0], str):
        return None
    code = record.arguments[0]
    if code[:1] not in set("biufcSU") or not code[1:].isdigit():
        return None
    order = record.state[1] if isinstance(record.state, tuple) and len(record.state) > 1 else "|"
    return np.dtype(f"{order if order in {'<', '>'} else '='}{code}")


def _scalar(record: Inert) -> Any:
    """`numpy._core.multiarray.scalar(dtype, bytes)`."""
    if len(record.arguments) != 2:
        return None
    dtype, data = _dtype(record.arguments[0]), record.arguments[1]
    if dtype is None or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        return None
    return np.frombuffer(data, dtype)[0].item()


def _array(record: Inert) -> Any:
    """`numpy._core.multiarray._reconstruct(…)`, then (version, shape, dtype, whether in Fortran's order, bytes)."""
    state = record.state
    if not isinstance(state, tuple) or len(state) != 5:
        return None
    _, shape, dtype_record, is_fortran, data = state
    dtype = _dtype(dtype_record)
    if dtype is None or not isinstance(data, bytes) or not isinstance(shape, tuple):
        return None
    if dtype.kind in "SU" or len(data) != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
        return None
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return torch.from_numpy(np.ascontiguousarray(array, dtype.newbyteorder("=")).copy().reshape(shape))


_DECODERS: dict[str, Callable[[Inert], Any]] = {
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.multiarray._reconstruct": _array,
}
