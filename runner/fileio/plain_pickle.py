"""Reads pickles of plain data and NumPy arrays, and refuses every other before it can do anything.

A pickle is a program: it can name any function and have it called. Here the only names it gets are those of plain
containers and of NumPy's arrays, types and numbers; and NumPy's are stood for by records, of which the arrays are made
by hand when the pickle has ended.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from runner.errors import StorageError

__all__ = ["load_plain_pickle"]

_CONTAINERS: dict[tuple[str, str], type[Any]] = {
    **{
        ("builtins", kind.__name__): kind
        for kind in (bytearray, bytes, complex, dict, frozenset, list, range, set, slice, tuple)
    },
    ("builtins", "xrange"): range,
    ("collections", "OrderedDict"): OrderedDict,
}
_PLAIN = (str, bytes, int, float, bool, type(None))
_NDARRAY = object()
"""Stands for the class ndarray, which a pickle of an array names but never calls."""


def load_plain_pickle(data: bytes | IO[bytes], *, name: str = "the pickle", encoding: str = "ASCII") -> Any:
    """Read a pickle of containers, text, numbers, and NumPy's arrays and numbers.

    Args:
        data: The pickle, or an open file of it.
        name: What to call it in an error.
        encoding: How the texts of a pickle of Python 2 are read; `latin1` keeps their bytes.

    Raises:
        StorageError: It names anything else, nothing of which has been called then; or it is damaged.
    """
    unpickler = _PlainUnpickler(io.BytesIO(data) if isinstance(data, bytes) else data, name, encoding)
    try:
        content = unpickler.load()
        return _walk(content, {}) if unpickler.records else content
    except StorageError:
        raise
    except Exception as error:
        # Damaged bytes can raise nearly anything, from EOFError to UnicodeDecodeError.
        raise StorageError(f"{name} is no whole pickle of plain data ({type(error).__name__}: {error})") from error


class _Record:
    """What a pickle said about an object of NumPy's."""

    def __init__(self, make: Callable[[_Record], Any], arguments: tuple[Any, ...]) -> None:
        self.make = make
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], name: str, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._name = name
        self.records = False

    def find_class(self, module: str, name: str, /) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module).replace("numpy.core.", "numpy._core.")
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("_codecs", "encode"):
            return _encode()
        make = _MAKERS.get((module, name))
        if make is None:
            raise StorageError(
                f"{self._name} asks for {module}.{name}, which could run code; nothing of it was run. A pickle may "
                "hold plain data and NumPy arrays; write the data as JSON, or take the objects apart before it is saved"
            )
        self.records = True
        return _recorder(make)

    def persistent_load(self, pid: Any, /) -> Any:
        raise StorageError(f"{self._name} asks for the foreign object {pid!r}; it was not loaded")


def _recorder(make: Callable[[_Record], Any]) -> Callable[..., _Record]:
    # Made anew for each look-up: a pickle can set attributes of what it has been given.
    def record(*arguments: Any) -> _Record:
        return _Record(make, arguments)

    return record


def _encode() -> Callable[..., Any]:
    def encode(text: str, encoding: str) -> bytes:
        if encoding not in {"latin1", "latin-1"}:
            raise StorageError(f"the pickle asks for the encoding {encoding!r}; it was not loaded")
        return text.encode("latin1")

    return encode


def _walk(value: Any, seen: dict[int, Any]) -> Any:
    """Put NumPy's objects in the place of their records, wherever they stand."""
    if isinstance(value, _PLAIN) or id(value) in seen:
        return seen.get(id(value), value)
    if isinstance(value, dict):
        seen[id(value)] = value
        items = [(_walk(key, seen), _walk(each, seen)) for key, each in value.items()]
        value.clear()
        value.update(items)
        return value
    if isinstance(value, list):
        seen[id(value)] = value
        value[:] = [_walk(each, seen) for each in value]
        return value
    if isinstance(value, _Record):
        made = seen[id(value)] = value.make(value)
        if isinstance(made, np.ndarray) and made.dtype.hasobject:
            for index in np.ndindex(made.shape):
                made[index] = _walk(made[index], seen)
        return made
    return type(value)(_walk(each, seen) for each in value) if type(value) in {tuple, set, frozenset} else value


def _dtype(record: Any) -> np.dtype[Any]:
    """The type that a record describes: numbers, truth values, text, bytes, times or Python objects."""
    if not isinstance(record, _Record) or record.make is not _dtype or not record.arguments:
        raise StorageError("the pickle's array has no type; it was not loaded")
    code, state = record.arguments[0], record.state
    if not isinstance(code, str) or code[:1] not in set("biufcSUOMm") or not (code[1:].isdigit() or code == "O"):
        raise StorageError(f"the pickle holds an array of type {code!r}; plain numbers and texts can be read")
    order = state[1] if isinstance(state, tuple) and len(state) > 1 and state[1] in {"<", ">"} else "="
    if code[0] in "Mm":
        return np.dtype(f"{order}{code}{_unit(state)}")
    return np.dtype(object) if code[0] == "O" else np.dtype(f"{order}{code}")


def _unit(state: Any) -> str:
    """The unit of a time: `[ns]`, "" for none."""
    try:
        unit, count = state[8][1][:2]
    except (TypeError, IndexError, ValueError) as error:
        raise StorageError("the pickle holds times without a unit; it was not loaded") from error
    unit = unit.decode("ascii") if isinstance(unit, bytes) else str(unit)
    return f"[{int(count)}{unit}]" if unit.isalpha() and unit != "generic" else ""


def _scalar(record: _Record) -> Any:
    """`numpy._core.multiarray.scalar(dtype, bytes)`."""
    dtype_record, data = record.arguments
    dtype = _dtype(dtype_record)
    if dtype.hasobject or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise StorageError("the pickle holds a damaged NumPy number; it was not loaded")
    return np.frombuffer(data, dtype)[0] if dtype.itemsize else dtype.type()


def _array(record: _Record) -> np.ndarray[Any, Any]:
    """`numpy._core.multiarray._reconstruct(…)`, then (version, shape, dtype, whether in Fortran's order, content)."""
    if not isinstance(record.state, tuple) or len(record.state) != 5:
        raise StorageError("the pickle holds a damaged NumPy array; it was not loaded")
    _, shape, dtype_record, is_fortran, content = record.state
    return _filled(content, _dtype(dtype_record), shape, "F" if is_fortran else "C")


def _buffer(record: _Record) -> np.ndarray[Any, Any]:
    """`numpy._core.numeric._frombuffer(bytes, dtype, shape, order)`."""
    content, dtype_record, shape, order = record.arguments
    return _filled(bytes(content), _dtype(dtype_record), shape, "F" if order == "F" else "C")


def _filled(content: Any, dtype: np.dtype[Any], shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise StorageError(f"the pickle holds an array of shape {shape!r}; it was not loaded")
    if dtype.hasobject:
        array: np.ndarray[Any, Any] = np.empty(len(content), dtype=object)
        for number, each in enumerate(content):  # a slice would take lists among them apart
            array[number] = each
    else:
        if isinstance(content, str):  # a pickle of Python 2
            content = content.encode("latin1")
        array = np.frombuffer(bytearray(content), dtype) if dtype.itemsize else np.empty(int(np.prod(shape)), dtype)
    return array.reshape(shape, order=order)


_MAKERS: dict[tuple[str, str], Callable[[_Record], Any]] = {
    ("numpy", "dtype"): _dtype,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _buffer,
}
