"""`PixelData`: a value for each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from typing_extensions import Self

from runner.structures.base_data_element import BaseDataElement

__all__ = ["PixelData"]


class PixelData(BaseDataElement):
    """Maps (segmentation, depth) of one height and width; each field is a tensor or array of (channels, height, width).

    A field of (height, width) gets a channel in front. `maps[y, x]` gives the part of two integers or slices.

    Args:
        metainfo: Metainfo by name; it is copied.
        **kwargs: Data fields by name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"_metainfo_fields", "_data_fields"}:
            super().__setattr__(name, value)
            return
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"{name} is a {type(value).__name__}; a map is a tensor or an array")
        if value.ndim not in {2, 3}:
            raise ValueError(
                f"{name} has {value.ndim} dimensions; a map has (channels, height, width) or (height, width)"
            )
        if self.shape is not None and tuple(value.shape[-2:]) != self.shape:
            raise ValueError(f"{name} is {tuple(value.shape[-2:])} high and wide; the other maps are {self.shape}")
        super().__setattr__(name, value[None] if value.ndim == 2 else value)

    def __getitem__(self, item: tuple[int | slice, int | slice]) -> Self:
        """The part of all maps that two integers or slices, of height and of width, name."""
        if not isinstance(item, tuple):
            raise TypeError(f"PixelData is indexed by [height, width], not by a {type(item).__name__}")
        if len(item) != 2:
            raise ValueError(f"PixelData is indexed by [height, width]; {len(item)} indices are given")
        shape = self.shape or (0, 0)
        rows, columns = (_slice(each, size) for each, size in zip(item, shape, strict=True))
        cut = type(self)(metainfo=self.metainfo)
        cut.set_data({name: value[:, rows, columns] for name, value in self.items()})
        return cut

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width; None without a map."""
        for value in self.values():
            height, width = value.shape[-2:]
            return int(height), int(width)
        return None


def _slice(item: Any, size: int) -> slice:
    if isinstance(item, slice):
        return item
    if isinstance(item, (int, np.integer)):
        if not -size <= item < size:
            raise IndexError(f"pixel {item} is asked for; there are {size}")
        return slice(int(item), None, size)
    raise TypeError(f"PixelData is indexed by integers and slices, not by a {type(item).__name__}")
