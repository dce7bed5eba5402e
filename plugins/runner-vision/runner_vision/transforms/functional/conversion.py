"""From PIL images and arrays to tensors, and to zero mean and unit deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch

__all__ = ["normalize", "to_tensor"]

_WIDE_MODES: dict[str, Any] = {"I": np.int32, "I;16": np.uint16, "F": np.float32}


def to_tensor(pic: object) -> torch.Tensor:
    """Make a tensor of shape (C, H, W) from a PIL image or an array of shape (H, W) or (H, W, C).

    Bytes become float32 in [0, 1]; any other type of number keeps its type and its values.

    Raises:
        TypeError: If it is something else, a tensor for one.
        ValueError: If an array has another number of axes.
    """
    array: np.ndarray[Any, Any]
    if isinstance(pic, PIL.Image.Image):
        array = _pil_to_array(pic)
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        already = "; a tensor needs no ToTensor: leave it out" if isinstance(pic, torch.Tensor) else ""
        raise TypeError(f"ToTensor got {type(pic).__name__}; it takes a PIL image or a NumPy array{already}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3:
        raise ValueError(f"ToTensor got an array of shape {array.shape}; it takes (H, W) or (H, W, C)")
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    return tensor.to(torch.get_default_dtype()).div_(255) if tensor.dtype == torch.uint8 else tensor


def _pil_to_array(pic: PIL.Image.Image) -> np.ndarray[Any, Any]:
    if pic.mode == "1":
        return 255 * np.asarray(pic, dtype=np.uint8)
    if pic.mode == "I;16":
        # torch has next to no operations on uint16.
        return np.array(pic, dtype=np.uint16).astype(np.int32)
    return np.array(pic, dtype=_WIDE_MODES.get(pic.mode, np.uint8))


def normalize(tensor: torch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> torch.Tensor:
    """Subtract `mean` and divide by `std`, one number a channel.

    Args:
        tensor: Floating-point, of shape (..., C, H, W).
        mean: One number for each channel, or one for all.
        std: As `mean`; none of them zero.
        inplace: Change `tensor` itself.

    Raises:
        TypeError: If it is no floating-point tensor.
        ValueError: If a deviation is zero, or the number of channels differs.
    """
    given: Any = tensor  # a PIL image arrives here whenever somebody forgets ToTensor
    if not isinstance(given, torch.Tensor) or not given.is_floating_point():
        found = str(given.dtype) if isinstance(given, torch.Tensor) else type(given).__name__
        raise TypeError(f"Normalize got {found}; it takes a floating-point tensor: put ToTensor before it")
    if tensor.ndim < 3:
        raise ValueError(f"Normalize got a tensor of shape {tuple(tensor.shape)}; it takes (..., C, H, W)")
    if not all(std):
        raise ValueError(f"Normalize got std={list(std)}; no deviation may be zero")
    channels = tensor.shape[-3]
    if {len(mean), len(std)} - {1, channels}:
        raise ValueError(
            f"Normalize got {len(mean)} means and {len(std)} deviations for an image of {channels} channels; "
            "it takes one number for each channel"
        )
    if not inplace:
        tensor = tensor.clone()
    shift = torch.tensor(mean, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    scale = torch.tensor(std, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    return tensor.sub_(shift).div_(scale)
