"""`InstanceData`: as many values in each field as there are instances."""

from __future__ import annotations

import operator
from collections.abc import Sequence, Sized
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from runner.structures.base_data_element import BaseDataElement

__all__ = ["InstanceData"]

Index: TypeAlias = "str | slice | int | list[int] | list[bool] | Tensor | np.ndarray[Any, Any]"


class InstanceData(BaseDataElement):
    """The instances of a sample (boxes, masks, labels, scores): every data field has the same length.

    `instances[index]` gives the instances of an integer, slice, list, or one-dimensional tensor or array of indices or
    truth values; `instances["name"]` a field. Fields are tensors, arrays, lists, tuples, texts, or objects that can be
    sliced and have a static `cat`.

    Args:
        metainfo: Metainfo by name; it is copied.
        **kwargs: Data fields by name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {"_metainfo_fields", "_data_fields"}:
            if not isinstance(value, Sized):
                raise TypeError(f"{name} is a {type(value).__name__}, which has no length; each instance needs a value")
            if len(self) > 0 and len(value) != len(self):
                raise ValueError(f"{name} has {len(value)} values; there are {len(self)} instances")
        super().__setattr__(name, value)

    __setitem__ = __setattr__

    def __getitem__(self, item: Index) -> Any:
        """The instances of an index; with a text, the field of that name.

        Raises:
            IndexError: There is no such instance.
            ValueError: Truth values of another number than there are instances, or more than one dimension.
        """
        if isinstance(item, str):
            return getattr(self, item)
        chosen = _normal(item, len(self))
        picked = self.new_empty()
        for name, value in self.items():
            picked[name] = value[chosen] if isinstance(chosen, slice) else _pick(name, value, chosen)
        return picked

    def new_empty(self) -> Self:
        """An element of the same class and metainfo, without data."""
        return type(self)(metainfo=self.metainfo)

    @staticmethod
    def cat(instances_list: Sequence[InstanceData]) -> InstanceData:
        """Join instances that have the same fields; the metainfo is that of the first.

        Args:
            instances_list: At least one. A single one is returned as it is.

        Raises:
            ValueError: There is none, or their fields differ.
            TypeError: One is no `InstanceData`, or a field can't be joined.
        """
        if not instances_list:
            raise ValueError("InstanceData.cat: the list is empty")
        if not all(isinstance(each, InstanceData) for each in instances_list):
            raise TypeError("InstanceData.cat: all of the list must be InstanceData")
        first = instances_list[0]
        if len(instances_list) == 1:
            return first
        for number, each in enumerate(instances_list):
            if set(each.all_keys()) != set(first.all_keys()):
                odd = sorted(set(each.all_keys()) ^ set(first.all_keys()))
                raise ValueError(
                    f"InstanceData.cat: number {number} differs from the first in the fields {', '.join(odd)}"
                )
        joined = first.new_empty()
        for name in list(first.keys()):
            joined[name] = _join(name, [each[name] for each in instances_list])
        return joined

    def __len__(self) -> int:
        for value in self.values():
            return len(value)
        return 0


def _normal(item: Any, length: int) -> slice | Tensor:
    """An index as a slice, or as a tensor of indices or truth values."""
    if isinstance(item, slice):
        return item
    if isinstance(item, (list, np.ndarray)):
        array = np.asarray(item)
        if array.size and array.dtype.kind not in "biu":
            raise TypeError(f"InstanceData is indexed by whole numbers or truth values, not by {array.dtype}")
        item = torch.from_numpy(array.astype(np.int64) if array.dtype.kind != "b" else array)
    if isinstance(item, Tensor):
        return _checked(item, length)
    try:
        number = operator.index(item)
    except TypeError as error:
        raise TypeError(f"InstanceData can't be indexed by a {type(item).__name__}") from error
    if not -length <= number < length:
        raise IndexError(f"instance {number} is asked for; there are {length}")
    return slice(number, None, length)


def _checked(item: Tensor, length: int) -> Tensor:
    if item.dim() != 1:
        raise ValueError(f"InstanceData is indexed along its only dimension; the index has {item.dim()}")
    if item.dtype == torch.bool:
        if len(item) != length:
            raise ValueError(f"the index has {len(item)} truth values; there are {length} instances")
        return item
    if item.dtype not in {torch.int64, torch.int32, torch.int16, torch.int8}:
        raise TypeError(f"InstanceData is indexed by whole numbers or truth values, not by {item.dtype}")
    return item.long()


def _pick(name: str, value: Any, chosen: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[chosen]
    if isinstance(value, np.ndarray):
        return value[chosen.cpu().numpy()]
    indices = (torch.nonzero(chosen).view(-1) if chosen.dtype == torch.bool else chosen).tolist()
    # A slice each, of one item: what has no other index can be sliced. Without any, the empty slice.
    pieces = [value[slice(index, None, len(value))] for index in indices] or [value[:0]]
    return _join(name, pieces)


def _join(name: str, values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values, dim=0)
    if isinstance(first, np.ndarray):
        return np.concatenate(values, axis=0)
    if isinstance(first, str):
        return "".join(values)
    if isinstance(first, (list, tuple)):
        return type(first)(each for value in values for each in value)
    if hasattr(first, "cat"):
        return first.cat(values)
    raise TypeError(f"{name} is a {type(first).__name__}, which can't be joined; it needs a static method `cat`")
