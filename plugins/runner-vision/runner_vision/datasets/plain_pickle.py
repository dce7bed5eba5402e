"""Reading pickles of plain arrays, and refusing every other.

A pickle is a program: it can name any function and have it called. CIFAR's Python archives are pickles, so they are
read by an unpickler that knows six names and gives none of them the means to do harm.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from runner_vision.errors import DatasetError, UnsafePickleError

__all__ = ["load_plain_pickle"]

_CONTAINERS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (bytearray, complex, dict, frozenset, list, set, tuple)
}

_NDARRAY = object()
"""Stands for the class ndarray, which a pickle of an array names but never calls."""


def load_plain_pickle(data: bytes, *, name: str) -> Any:
    """Read a pickle of arrays, containers, text and numbers.

    Args:
        data: The pickle.
        name: What to call it in an error.

    Raises:
        UnsafePickleError: If it names anything else; nothing of it has been called then.
        DatasetError: If it is damaged.
    """
    try:
        return _PlainUnpickler(data, name).load()
    except DatasetError:
        raise
    except Exception as error:
        # Damaged bytes can raise nearly anything, from EOFError to UnicodeDecodeError.
        raise DatasetError(f"{name}: not a whole pickle ({type(error).__name__}: {error}); fetch it again") from error


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, name: str) -> None:
        # CIFAR's were written by Python 2: latin1 keeps the bytes of its text as they are.
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._name = name

    def find_class(self, module: str, name: str, /) -> Any:
        found = _allowed(module, name)
        if found is None:
            raise UnsafePickleError(
                f"{self._name}: the pickle asks for {module}.{name}, which plain arrays do not need; it was not loaded. "
                "Do not use this file: fetch the archive again from where CIFAR is published"
            )
        return found

    def persistent_load(self, pid: Any, /) -> Any:
        raise UnsafePickleError(f"{self._name}: the pickle asks for the foreign object {pid!r}; it was not loaded")


def _allowed(module: str, name: str) -> object:
    """What a name stands for, or None.

    The functions are made anew for each look-up: a pickle can set attributes of what it has been given.
    """
    if module in {"builtins", "__builtin__"}:
        return _CONTAINERS.get(name)
    if module == "numpy":
        return {"ndarray": _NDARRAY, "dtype": _plain_dtype()}.get(name)
    if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name == "_reconstruct":
        return _reconstruct()
    if module in {"numpy.core.numeric", "numpy._core.numeric"} and name == "_frombuffer":
        return _frombuffer()
    if (module, name) == ("_codecs", "encode"):
        return _encode()
    return None


def _plain_dtype() -> Callable[..., Any]:
    def dtype(*arguments: Any) -> np.dtype[Any]:
        made: np.dtype[Any] = np.dtype(*arguments)
        if made.hasobject:
            raise UnsafePickleError("an array of Python objects is no plain array; it was not loaded")
        return made

    return dtype


def _reconstruct() -> Callable[..., Any]:
    def reconstruct(subtype: Any, shape: Any, typecode: Any) -> np.ndarray[Any, Any]:
        # What NumPy asks for is always an empty array, which is filled afterwards.
        if subtype is not _NDARRAY or tuple(shape) != (0,):
            raise UnsafePickleError("the pickle builds something else than a plain array; it was not loaded")
        empty: np.ndarray[Any, Any] = np.ndarray((0,), np.dtype(typecode))
        return empty

    return reconstruct


def _frombuffer() -> Callable[..., Any]:
    def frombuffer(buffer: Any, dtype: np.dtype[Any], shape: Any, order: Any) -> np.ndarray[Any, Any]:
        array: np.ndarray[Any, Any] = np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)
        return array

    return frombuffer


def _encode() -> Callable[..., Any]:
    def encode(text: str, encoding: str) -> bytes:
        if encoding not in {"latin1", "latin-1"}:
            raise UnsafePickleError(f"the pickle asks for the encoding {encoding!r}; it was not loaded")
        return text.encode("latin1")

    return encode
