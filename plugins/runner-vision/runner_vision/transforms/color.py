"""Changing colours."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from runner.kinds import Interval
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it
from runner_vision.transforms.functional.image import ImageT

__all__ = ["ColorJitter", "Grayscale"]


class Grayscale:
    """Keep how bright each pixel is, and drop its colour.

    Args:
        num_output_channels: 1, or 3 equal ones for a model that takes colour images.
    """

    def __init__(self, num_output_channels: Literal[1, 3] = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        return F.rgb_to_grayscale(image, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class ColorJitter:
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Args:
        brightness: Factors from max(0, 1 - b) to 1 + b; or smallest and largest factor.
        contrast: As `brightness`.
        saturation: As `brightness`.
        hue: Turns of the colour wheel from -h to h, at most half a turn; or smallest and largest turn.
    """

    def __init__(
        self,
        brightness: Annotated[float, Interval(ge=0)]
        | tuple[Annotated[float, Interval(ge=0)], Annotated[float, Interval(ge=0)]] = 0,
        contrast: Annotated[float, Interval(ge=0)]
        | tuple[Annotated[float, Interval(ge=0)], Annotated[float, Interval(ge=0)]] = 0,
        saturation: Annotated[float, Interval(ge=0)]
        | tuple[Annotated[float, Interval(ge=0)], Annotated[float, Interval(ge=0)]] = 0,
        hue: Annotated[float, Interval(ge=0, le=0.5)]
        | tuple[Annotated[float, Interval(ge=-0.5, le=0.5)], Annotated[float, Interval(ge=-0.5, le=0.5)]] = 0,
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _turns(hue)

    def __call__(self, image: ImageT) -> ImageT:
        """Apply it."""
        order = torch.randperm(4).tolist()
        brightness, contrast = _draw(self.brightness), _draw(self.contrast)
        saturation, hue = _draw(self.saturation), _draw(self.hue)
        for which in order:
            if which == 0 and brightness is not None:
                image = F.adjust_brightness(image, brightness)
            elif which == 1 and contrast is not None:
                image = F.adjust_contrast(image, contrast)
            elif which == 2 and saturation is not None:
                image = F.adjust_saturation(image, saturation)
            elif which == 3 and hue is not None:
                image = F.adjust_hue(image, hue)
        return image

    def __repr__(self) -> str:
        ranges = f"brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}"
        return f"ColorJitter({ranges}, hue={self.hue})"


def _factors(name: str, value: float | tuple[float, float]) -> tuple[float, float] | None:
    """Smallest and largest factor; None where nothing would change, which draws nothing either."""
    low, high = (max(0.0, 1 - value), 1.0 + value) if isinstance(value, (int, float)) else value
    if not 0 <= low <= high:
        raise ValueError(f"{name} is {value}; it takes one number that is not negative, or (smallest, largest)")
    return None if low == high == 1 else (float(low), float(high))


def _turns(value: float | tuple[float, float]) -> tuple[float, float] | None:
    low, high = (-value, value) if isinstance(value, (int, float)) else value
    if not -0.5 <= low <= high <= 0.5:
        raise ValueError(f"hue is {value}; it takes one number up to 0.5, or (smallest, largest) from -0.5 to 0.5")
    return None if low == high == 0 else (float(low), float(high))


def _draw(bounds: tuple[float, float] | None) -> float | None:
    return None if bounds is None else float(torch.empty(1).uniform_(bounds[0], bounds[1]).item())
