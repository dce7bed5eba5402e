"""What an image is, and the choices that several operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, TypeVar

import PIL.Image
import torch

__all__ = [
    "PIL_RESAMPLING",
    "Image",
    "ImageT",
    "Interpolation",
    "InterpolationMode",
    "PaddingMode",
    "check_image",
    "get_dimensions",
    "height_and_width",
    "pil_color",
]

Image: TypeAlias = "PIL.Image.Image | torch.Tensor"
"""A PIL image, or a tensor of shape (..., C, H, W)."""

ImageT = TypeVar("ImageT", PIL.Image.Image, torch.Tensor)

Interpolation: TypeAlias = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos"]
"""How pixels between pixels are made up. The last three work on PIL images only."""

PaddingMode: TypeAlias = Literal["constant", "edge", "reflect", "symmetric"]
"""What stands outside an image: a colour, its border, its mirror image without and with the border."""


class InterpolationMode:
    """torchvision's names for the values of `interpolation`, which are plain strings here as in YAML."""

    NEAREST: Final = "nearest"
    NEAREST_EXACT: Final = "nearest-exact"
    BILINEAR: Final = "bilinear"
    BICUBIC: Final = "bicubic"
    BOX: Final = "box"
    HAMMING: Final = "hamming"
    LANCZOS: Final = "lanczos"


PIL_RESAMPLING: Final[dict[Interpolation, PIL.Image.Resampling]] = {
    "nearest": PIL.Image.Resampling.NEAREST,
    # PIL's own "nearest" takes the pixel whose centre is nearest, which torch calls exact.
    "nearest-exact": PIL.Image.Resampling.NEAREST,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "box": PIL.Image.Resampling.BOX,
    "hamming": PIL.Image.Resampling.HAMMING,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}


def check_image(image: object) -> None:
    """Refuse what is neither a PIL image nor a tensor image.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(image, PIL.Image.Image) or (isinstance(image, torch.Tensor) and image.ndim >= 2):
        return
    found = f"a tensor of shape {tuple(image.shape)}" if isinstance(image, torch.Tensor) else type(image).__name__
    raise TypeError(f"an image transform got {found}; it takes a PIL image or a tensor of shape (..., C, H, W)")


def get_dimensions(image: Image) -> tuple[int, int, int]:
    """Channels, height and width, in pixels."""
    check_image(image)
    if isinstance(image, torch.Tensor):
        channels = image.shape[-3] if image.ndim > 2 else 1
        return channels, image.shape[-2], image.shape[-1]
    width, height = image.size
    return len(image.getbands()), height, width


def height_and_width(size: int | Sequence[int]) -> tuple[int, int]:
    """Read a crop's size: one number means a square.

    Raises:
        ValueError: If there are more than two numbers.
    """
    if isinstance(size, int):
        return size, size
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"size is {list(size)}; it takes one number (a square) or two (height, width)")
    return size[0], size[1]


def pil_color(image: PIL.Image.Image, fill: float | Sequence[float]) -> float | tuple[float, ...]:
    """A colour as PIL takes it: one number for one band, whole numbers but in mode F."""
    bands = len(image.getbands())
    numbers = [fill] * bands if isinstance(fill, (int, float)) else list(fill)
    if len(numbers) == 1:
        numbers *= bands
    if len(numbers) != bands:
        raise ValueError(f"fill has {len(numbers)} numbers; an image of mode {image.mode} takes {bands}")
    color = tuple(numbers) if image.mode == "F" else tuple(int(number) for number in numbers)
    return color[0] if bands == 1 else color
