"""Many small objects in one block of bytes, which all worker processes share."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterable, Sequence
from multiprocessing.context import get_spawning_popen
from typing import Any, cast

import torch
from torch import Tensor

__all__ = ["Records"]


class Records:
    """A list of objects, each serialized by itself, end to end in one tensor.

    A Python list of dictionaries is copied into each forked worker page by page, since reading an object writes its
    reference count; a block of bytes is not. A spawned worker is handed the block in shared memory and copies nothing
    either. It goes there when the first worker is spawned: forked ones share it as it is, and shared memory may be small.

    Args:
        data: The bytes, uint8.
        ends: Where each object ends in them, int64.
    """

    def __init__(self, data: Tensor, ends: Tensor) -> None:
        self._data, self._ends = data, ends
        self._view: tuple[memoryview, Any] | None = None

    @classmethod
    def pack(cls, items: Iterable[Any]) -> Records:
        """Serialize objects; any that can be pickled."""
        block, ends = bytearray(), array("q")
        for item in items:
            block += pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(block))
        return cls(_tensor(block, torch.uint8), _tensor(ends, torch.int64))

    @property
    def data(self) -> Tensor:
        """The bytes."""
        return self._data

    @data.setter
    def data(self, data: Tensor) -> None:
        self._data, self._view = data, None

    @property
    def ends(self) -> Tensor:
        """Where each object ends in them."""
        return self._ends

    @ends.setter
    def ends(self, ends: Tensor) -> None:
        self._ends, self._view = ends, None

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Any:
        """A fresh object, equal to the one that was packed."""
        view, ends = self._view or self._open()
        size = len(ends)
        if not -size <= index < size:
            raise IndexError(f"there is no record {index}: there are {size}")
        index %= size
        start = int(ends[index - 1]) if index else 0
        return pickle.loads(view[start : int(ends[index])])  # noqa: S301 - what this run has pickled itself

    def subset(self, indices: int | Sequence[int]) -> Records:
        """The first so many objects, the last ones for a negative number, or those at the places given.

        The first and the last ones share this block; others are copied.
        """
        size = len(self)
        if isinstance(indices, int):
            first, last, _ = (slice(indices) if indices >= 0 else slice(indices, None)).indices(size)
            start, stop = self._start(first), self._start(last)
            return Records(self._data[start:stop], self._ends[first:last] - start)
        places = [range(size)[index] for index in indices]
        pieces = [self._data[self._start(place) : self._start(place + 1)] for place in places]
        ends = torch.tensor([len(piece) for piece in pieces], dtype=torch.int64).cumsum(0)
        return Records(torch.cat(pieces) if pieces else self._data[:0], ends)

    def _start(self, place: int) -> int:
        return int(self._ends[place - 1]) if place else 0

    def _open(self) -> tuple[memoryview, Any]:
        # A tensor's own indexing takes 3 us, an array's 0.1.
        view = self._view = self._data.numpy().data, self._ends.numpy()
        return view

    def __getstate__(self) -> tuple[Tensor, Tensor]:
        if get_spawning_popen() is not None:
            self._data, self._ends = _shared(self._data), _shared(self._ends)
            self._view = None
        return self._data, self._ends

    def __setstate__(self, state: tuple[Tensor, Tensor]) -> None:
        self._data, self._ends = state
        self._view = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Records:
        return Records(self._data, self._ends)


def _tensor(buffer: bytearray | array[int], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(buffer, dtype=dtype) if len(buffer) else torch.empty(0, dtype=dtype)


def _shared(tensor: Tensor) -> Tensor:
    """The same in shared memory; the old one stays where it is for whoever still looks into it."""
    untyped: Any = tensor
    if untyped.is_shared() or not len(tensor):
        return tensor
    shared: Any = torch.empty(len(tensor), dtype=tensor.dtype)
    shared.share_memory_()
    return cast("Tensor", shared.copy_(tensor))
