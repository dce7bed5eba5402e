"""Flipping, padding, scaling and turning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch

from runner.kinds import Interval
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it
from runner_vision.transforms.functional.image import ImageT, Interpolation, PaddingMode

__all__ = ["Pad", "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip", "Resize"]


class RandomHorizontalFlip:
    """Swap left and right, sometimes.

    Args:
        p: How often, from 0 to 1.
    """

    def __init__(self, p: Annotated[float, Interval(ge=0, le=1)] = 0.5) -> None:
        self.p = p

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.hflip(image) if torch.rand(1).item() < self.p else image

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomVerticalFlip:
    """Swap top and bottom, sometimes.

    Args:
        p: How often, from 0 to 1.
    """

    def __init__(self, p: Annotated[float, Interval(ge=0, le=1)] = 0.5) -> None:
        self.p = p

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.vflip(image) if torch.rand(1).item() < self.p else image

    def __repr__(self) -> str:
        return f"RandomVerticalFlip(p={self.p})"


class Pad:
    """Put a border around an image.

    Args:
        padding: Pixels on every side; or (left and right, top and bottom); or (left, top, right, bottom).
        fill: The border's colour with `constant`: one number, or one for each channel.
        padding_mode: What the border shows: a colour, the image's own border, its mirror image without (`reflect`) or
            with the border (`symmetric`).
    """

    def __init__(
        self,
        padding: Annotated[int, Interval(ge=0)] | Sequence[Annotated[int, Interval(ge=0)]],
        fill: float | Sequence[float] = 0,
        padding_mode: PaddingMode = "constant",
    ) -> None:
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.pad(image, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode!r})"


class Resize:
    """Scale an image.

    Args:
        size: (height, width); or the length of the shorter edge, which keeps the proportions. In pixels.
        interpolation: How new pixels are made up.
        max_size: With one number as `size`: at most so long becomes the longer edge.
        antialias: For tensors with `bilinear` and `bicubic`: average over what becomes one pixel, as PIL always does.
    """

    def __init__(
        self,
        size: Annotated[int, Interval(ge=1)] | Sequence[Annotated[int, Interval(ge=1)]],
        interpolation: Interpolation = "bilinear",
        max_size: Annotated[int, Interval(ge=1)] | None = None,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(size, int) and len(size) not in {1, 2}:
            raise ValueError(f"size is {list(size)}; it takes one number (the shorter edge) or two (height, width)")
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.resize(image, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return f"Resize(size={self.size}, interpolation={self.interpolation!r}, max_size={self.max_size})"


class RandomRotation:
    """Turn an image by an angle out of a range, each being equally likely.

    Args:
        degrees: Smallest and largest angle, counter-clockwise; one number d means (-d, d).
        interpolation: How new pixels are made up; tensors take `nearest` and `bilinear`.
        expand: Grow the image until all of it is in view; goes with turning around the middle.
        center: (x, y) of the point that stays where it is, in pixels from the upper left corner; by default the middle.
        fill: The colour of what comes into view: one number, or one for each channel.
    """

    def __init__(
        self,
        degrees: Annotated[float, Interval(ge=0)] | tuple[float, float],
        interpolation: Interpolation = "nearest",
        expand: bool = False,
        center: tuple[float, float] | None = None,
        fill: float | Sequence[float] = 0,
    ) -> None:
        low, high = (-degrees, degrees) if isinstance(degrees, (int, float)) else degrees
        if low > high:
            raise ValueError(f"degrees is {degrees}; it takes one number that is not negative, or (smallest, largest)")
        self.degrees = (float(low), float(high))
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw an angle in degrees."""
        return float(torch.empty(1).uniform_(degrees[0], degrees[1]).item())

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        angle = self.get_params(self.degrees)
        return F.rotate(image, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation!r}, expand={self.expand})"
