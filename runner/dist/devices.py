"""Where data lies, and moving it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["cast_data_device", "get_data_device"]


def get_data_device(data: Any) -> torch.device:
    """The device that all tensors of a structure are on.

    Args:
        data: A tensor, or mappings and iterables of tensors, nested as they like.

    Raises:
        ValueError: There is no tensor in it, or they are on several devices.
        TypeError: It holds something that is neither.
    """
    found = dict.fromkeys(_devices(data))
    if not found:
        raise ValueError("get_data_device: the data is empty")
    if len(found) > 1:
        raise ValueError(f"get_data_device: the data is on several devices: {', '.join(map(str, found))}")
    return next(iter(found))


def _devices(data: Any) -> Iterable[torch.device]:
    if isinstance(data, Tensor):
        yield data.device
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _devices(value)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes, np.ndarray)):
        for value in data:
            yield from _devices(value)
    else:
        raise TypeError(f"a tensor, or a mapping or iterable of tensors, is needed; found a {type(data).__name__}")


def cast_data_device(data: Any, device: torch.device, out: Any = None) -> Any:
    """Copy a structure of tensors to a device; tensors that are there already are taken as they are.

    Args:
        data: A tensor, or mappings and iterables of tensors, nested as they like.
        device: Where to.
        out: A structure of the same form, whose tensors are filled too.

    Raises:
        ValueError: The data is empty, or of another length than `out`.
        TypeError: It holds what is no tensor, or `out` is of another type.
    """
    if out is not None:
        if type(out) is not type(data):
            raise TypeError(f"cast_data_device: out is a {type(out).__name__}, and data a {type(data).__name__}")
        if isinstance(out, (set, frozenset)):
            raise TypeError("cast_data_device: out is a set, which has no order to fill it in")
    if isinstance(data, Tensor):
        moved = data.to(device)
        if out is not None:
            out.copy_(moved)
        return moved
    if isinstance(data, Mapping):
        _check_length(data, out)
        return type(data)(  # type: ignore[call-arg] # mappings are made of mappings
            {key: cast_data_device(value, device, None if out is None else out[key]) for key, value in data.items()}
        )
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes, np.ndarray)):
        items = list(data)
        targets = [None] * len(items) if out is None else list(out)
        _check_length(items, targets)
        moved_items = [cast_data_device(each, device, target) for each, target in zip(items, targets, strict=True)]
        # A named tuple takes its fields one by one.
        return type(data)(*moved_items) if hasattr(data, "_fields") else type(data)(moved_items)  # type: ignore[call-arg] # as above
    raise TypeError(f"a tensor, or a mapping or iterable of tensors, is needed; found a {type(data).__name__}")


def _check_length(data: Any, out: Any) -> None:
    if len(data) == 0:
        raise ValueError("cast_data_device: the data is empty")
    if out is not None and len(out) != len(data):
        raise ValueError(f"cast_data_device: data has {len(data)} items, and out {len(out)}")
