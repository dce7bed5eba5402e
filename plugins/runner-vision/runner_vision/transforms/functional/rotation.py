"""Turning an image around a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import grid_sample

from runner_vision.transforms.functional.image import (
    PIL_RESAMPLING,
    ImageT,
    Interpolation,
    check_image,
    get_dimensions,
    pil_color,
)

__all__ = ["rotate"]


def rotate(
    image: ImageT,
    angle: float,
    interpolation: Interpolation = "nearest",
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: float | Sequence[float] = 0,
) -> ImageT:
    """Turn an image counter-clockwise.

    Args:
        image: What to turn.
        angle: In degrees.
        interpolation: `nearest` or `bilinear`; PIL images take `bicubic` too.
        expand: Grow the image until all of it is in view; goes with turning around the middle.
        center: (x, y) of the point that stays where it is, in pixels from the upper left corner; by default the middle.
        fill: The colour of what comes into view: one number, or one for each channel.
    """
    check_image(image)
    if not isinstance(image, torch.Tensor):
        around = None if center is None else (center[0], center[1])
        resample = PIL_RESAMPLING[interpolation]
        return image.rotate(angle, resample, expand, center=around, fillcolor=pil_color(image, fill))
    if interpolation not in {"nearest", "bilinear"}:
        raise ValueError(f"a tensor is rotated with nearest or bilinear, not {interpolation}: rotate before ToTensor")
    return _rotate_tensor(image, angle, interpolation, expand=expand, center=center, fill=fill)


def _rotate_tensor(
    image: torch.Tensor,
    angle: float,
    interpolation: Interpolation,
    *,
    expand: bool,
    center: Sequence[float] | None,
    fill: float | Sequence[float],
) -> torch.Tensor:
    channels, height, width = get_dimensions(image)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    new_height, new_width = _expanded(height, width, cos, sin) if expand else (height, width)
    # Where each new pixel comes from, in pixels from the middle, y pointing down.
    x = torch.arange(new_width, dtype=torch.float32, device=image.device) - (new_width - 1) / 2
    y = torch.arange(new_height, dtype=torch.float32, device=image.device)[:, None] - (new_height - 1) / 2
    shift_x, shift_y = (0.0, 0.0) if center is None else (center[0] - width / 2, center[1] - height / 2)
    x, y = x - shift_x, y - shift_y
    from_x = cos * x - sin * y + shift_x
    from_y = sin * x + cos * y + shift_y
    grid = torch.stack([from_x / (width / 2), from_y / (height / 2)], dim=-1)

    pixels = image.reshape(-1, channels, height, width)
    work = pixels if pixels.is_floating_point() else pixels.float()
    grid = grid.to(work.dtype).expand(len(work), -1, -1, -1)
    # A channel of ones is turned along: it says how much of each new pixel lies inside the image.
    work = torch.cat([work, torch.ones_like(work[:, :1])], dim=1)
    turned = grid_sample(work, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
    turned, inside = turned[:, :-1], turned[:, -1:]
    numbers = [fill] if isinstance(fill, (int, float)) else list(fill)
    color = torch.tensor(numbers, dtype=work.dtype, device=image.device).view(-1, 1, 1)
    # At the edge, bilinear has mixed black in already; torchvision weighs the image once more, and so does this.
    turned = turned * inside + (1 - inside) * color
    if not image.is_floating_point():
        turned = turned.round()
    return turned.to(image.dtype).reshape(*image.shape[:-2], new_height, new_width)


def _expanded(height: int, width: int, cos: float, sin: float) -> tuple[int, int]:
    """The size of the upright rectangle around a turned one; a hair's breadth of rounding adds no pixel."""
    hair = 1e-4
    new_width = abs(width * cos) + abs(height * sin)
    new_height = abs(width * sin) + abs(height * cos)
    return _ceil_around(new_height, height, hair), _ceil_around(new_width, width, hair)


def _ceil_around(length: float, old: int, hair: float) -> int:
    # The middle stays the middle, so that the new length covers both halves in whole pixels as seen from the old edge.
    half_old, half = old / 2, length / 2
    return math.ceil(half_old + half - hair) - math.floor(half_old - half + hair)
