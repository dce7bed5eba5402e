"""Cutting a part out, from the middle or from anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch

from runner.kinds import Interval
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it
from runner_vision.transforms.functional.image import (
    Image,
    ImageT,
    Interpolation,
    PaddingMode,
    get_dimensions,
    height_and_width,
)

__all__ = ["CenterCrop", "RandomCrop", "RandomResizedCrop"]


class CenterCrop:
    """Cut the middle out; an image smaller than that is padded with black.

    Args:
        size: (height, width), or one number for a square, in pixels.
    """

    def __init__(self, size: Annotated[int, Interval(ge=1)] | Sequence[Annotated[int, Interval(ge=1)]]) -> None:
        self.size = height_and_width(size)

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.center_crop(image, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop:
    """Cut a part out, each place being equally likely.

    Args:
        size: (height, width), or one number for a square, in pixels.
        padding: Put this border around the image first: pixels on every side; or (left and right, top and bottom); or
            (left, top, right, bottom).
        pad_if_needed: Pad an image that is smaller than `size`; without it, that is an error.
        fill: The border's colour with `constant`: one number, or one for each channel.
        padding_mode: What the border shows: a colour, the image's own border, its mirror image without (`reflect`) or
            with the border (`symmetric`).
    """

    def __init__(
        self,
        size: Annotated[int, Interval(ge=1)] | Sequence[Annotated[int, Interval(ge=1)]],
        padding: Annotated[int, Interval(ge=0)] | Sequence[Annotated[int, Interval(ge=0)]] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: PaddingMode = "constant",
    ) -> None:
        self.size = height_and_width(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Image, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width.

        Raises:
            ValueError: If the image is smaller than the crop.
        """
        _, height, width = get_dimensions(img)
        target_height, target_width = output_size
        if height < target_height or width < target_width:
            raise ValueError(
                f"RandomCrop takes {target_height} x {target_width} pixels out of an image of {height} x {width}; "
                "give it a smaller size, padding, or pad_if_needed"
            )
        if (height, width) == (target_height, target_width):
            return 0, 0, height, width
        top = int(torch.randint(0, height - target_height + 1, size=(1,)).item())
        left = int(torch.randint(0, width - target_width + 1, size=(1,)).item())
        return top, left, target_height, target_width

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        if self.padding is not None:
            image = F.pad(image, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = get_dimensions(image)
            missing = [max(self.size[1] - width, 0), max(self.size[0] - height, 0)]
            if any(missing):
                image = F.pad(image, missing, self.fill, self.padding_mode)
        return F.crop(image, *self.get_params(image, self.size))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop:
    """Cut a part of random size and proportions out, and scale it to a fixed size.

    Source: Szegedy et al., "Going deeper with convolutions", 2014.

    Args:
        size: (height, width) of the result, or one number for a square, in pixels.
        scale: Smallest and largest part of the image's area.
        ratio: Smallest and largest width divided by height.
        interpolation: How new pixels are made up.
        antialias: For tensors with `bilinear` and `bicubic`: average over what becomes one pixel, as PIL always does.
    """

    def __init__(
        self,
        size: Annotated[int, Interval(ge=1)] | Sequence[Annotated[int, Interval(ge=1)]],
        scale: tuple[Annotated[float, Interval(gt=0)], Annotated[float, Interval(gt=0)]] = (0.08, 1.0),
        ratio: tuple[Annotated[float, Interval(gt=0)], Annotated[float, Interval(gt=0)]] = (0.75, 1.3333333333333333),
        interpolation: Interpolation = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            raise ValueError(f"scale={scale} and ratio={ratio} take the smallest value first")
        self.size = height_and_width(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(img: Image, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width: ten attempts, then the middle with the nearest proportions."""
        _, height, width = get_dimensions(img)
        log_ratio = torch.log(torch.tensor(ratio))
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(scale[0], scale[1]).item()
            aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0].item(), log_ratio[1].item())).item()
            part_width = round(math.sqrt(area * aspect))
            part_height = round(math.sqrt(area / aspect))
            if 0 < part_width <= width and 0 < part_height <= height:
                top = int(torch.randint(0, height - part_height + 1, size=(1,)).item())
                left = int(torch.randint(0, width - part_width + 1, size=(1,)).item())
                return top, left, part_height, part_width
        whole = width / height
        part_width, part_height = width, height
        if whole < min(ratio):
            part_height = round(width / min(ratio))
        elif whole > max(ratio):
            part_width = round(height * max(ratio))
        return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        top, left, height, width = self.get_params(image, self.scale, self.ratio)
        return F.resized_crop(image, top, left, height, width, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        return f"RandomResizedCrop(size={self.size}, scale={self.scale}, ratio={self.ratio})"
