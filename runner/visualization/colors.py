"""Colours and lists of values as the drawing methods take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

__all__ = ["Array", "Colors", "as_array", "jet", "matplotlib_color", "one_each", "rgb"]

Array: TypeAlias = np.ndarray[Any, Any] | torch.Tensor
Colors: TypeAlias = str | tuple[int, ...] | Sequence[str | tuple[int, ...]]
"""A name that matplotlib knows or an RGB triple from 0 to 255; or a list of these, one for each thing drawn."""


def as_array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """A tensor or an array as an array on the CPU.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, torch.Tensor):
        array: np.ndarray[Any, Any] = value.detach().cpu().numpy()
        return array
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be an array or a tensor, got {type(value).__name__}")
    return value


def one_each(name: str, value: Any, number: int, single: type | tuple[type, ...]) -> list[Any]:
    """A value for each of several things: the same one, or those of a list that is long enough.

    Args:
        name: What it is called, for the message.
        value: One value, or a list.
        number: How many are needed.
        single: The types of one value.

    Raises:
        ValueError: The list is too short.
        TypeError: It is neither a value of the kind wanted nor a list.
    """
    if isinstance(value, single):
        return [value] * number
    if not isinstance(value, list):
        raise TypeError(f"{name} must be one value or a list with one for each, got {type(value).__name__}")
    if len(value) < number:
        raise ValueError(f"{name} has {len(value)} values for the {number} things to draw")
    return value


def matplotlib_color(colors: Colors) -> Any:
    """Colours as matplotlib takes them: names stay, triples go from 0..255 to 0..1.

    Raises:
        ValueError: A tuple is no triple from 0 to 255.
        TypeError: It is no colour.
    """
    if isinstance(colors, str):
        return colors
    if isinstance(colors, tuple):
        return tuple(channel / 255 for channel in _checked(colors))
    if isinstance(colors, list):
        return [matplotlib_color(color) for color in colors]
    raise TypeError(f"a colour is a name, an RGB tuple from 0 to 255 or a list of these, got {type(colors).__name__}")


def rgb(color: str | tuple[int, ...]) -> tuple[int, ...]:
    """A colour as a triple from 0 to 255."""
    if isinstance(color, str):
        from matplotlib.colors import to_rgb

        return tuple(int(channel * 255) for channel in to_rgb(color))
    return _checked(color)


def _checked(color: tuple[int, ...]) -> tuple[int, ...]:
    if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
        raise ValueError(f"a colour given as a tuple has three channels from 0 to 255, got {color}")
    return color


def jet(levels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The colours of a heat map, blue through green to red.

    Args:
        levels: (H, W), uint8.

    Returns:
        (H, W, 3), RGB, uint8.

    Source: the colour map `jet` of 256 levels, as OpenCV has it: each channel climbs, stays and falls by 4 a level.
    """
    level = np.arange(256)
    red = np.minimum(4 * (level - 96) + 2, 4 * (255 - level) + 128)
    green = np.minimum(4 * (level - 32), 4 * (223 - level))
    blue = np.minimum(4 * level + 128, 254 - 4 * (level - 96))
    table: np.ndarray[Any, Any] = np.stack([red, green, blue], axis=1).clip(0, 255).astype(np.uint8)
    colored: np.ndarray[Any, Any] = table[levels]
    return colored
