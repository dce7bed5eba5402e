"""Where pixels stand: padding, cropping, flipping, resizing, erasing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from torch.nn.functional import interpolate
from torch.nn.functional import pad as pad_tensor

from runner_vision.transforms.functional.image import (
    PIL_RESAMPLING,
    ImageT,
    Interpolation,
    PaddingMode,
    check_image,
    get_dimensions,
    height_and_width,
    pil_color,
)

__all__ = ["center_crop", "crop", "erase", "hflip", "pad", "resize", "resized_crop", "resized_size", "vflip"]

_NUMPY_PADDING = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pad(
    image: ImageT,
    padding: int | Sequence[int],
    fill: float | Sequence[float] = 0,
    padding_mode: PaddingMode = "constant",
) -> ImageT:
    """Put a border around an image.

    Args:
        image: What to pad.
        padding: Pixels on every side; or (left and right, top and bottom); or (left, top, right, bottom).
        fill: The border's colour with `constant`: one number, or one for each channel.
        padding_mode: What the border shows.

    Raises:
        ValueError: If `padding` has another number of sides, or a mirror needs more pixels than there are.
    """
    check_image(image)
    left, top, right, bottom = _sides(padding)
    if padding_mode not in {"constant", *_NUMPY_PADDING}:
        raise ValueError(f"padding_mode is {padding_mode!r}; it takes constant, edge, reflect or symmetric")
    if isinstance(image, torch.Tensor):
        return _pad_tensor(image, (left, top, right, bottom), fill, padding_mode)
    return _pad_pil(image, (left, top, right, bottom), fill, padding_mode)


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    sides = [padding] if isinstance(padding, int) else list(padding)
    if len(sides) not in {1, 2, 4} or min(sides) < 0:
        raise ValueError(
            f"padding is {padding}; it takes one number, (left/right, top/bottom) or (left, top, right, bottom), "
            "none of them negative"
        )
    left, top, right, bottom = {1: sides * 4, 2: sides * 2, 4: sides}[len(sides)]
    return left, top, right, bottom


def _pad_pil(
    image: PIL.Image.Image, sides: tuple[int, int, int, int], fill: float | Sequence[float], mode: PaddingMode
) -> PIL.Image.Image:
    left, top, right, bottom = sides
    if mode == "constant":
        return PIL.ImageOps.expand(image, border=sides, fill=pil_color(image, fill))  # type: ignore[arg-type] # mode F takes a float
    array = np.asarray(image)
    widths = ((top, bottom), (left, right), (0, 0))[: array.ndim]
    padded = PIL.Image.fromarray(np.pad(array, widths, mode=_NUMPY_PADDING[mode]))  # type: ignore[call-overload] # NumPy's stubs want a literal
    if image.mode == "P" and (palette := image.getpalette()):
        padded.putpalette(palette)
    return padded


def _pad_tensor(
    image: torch.Tensor, sides: tuple[int, int, int, int], fill: float | Sequence[float], mode: PaddingMode
) -> torch.Tensor:
    left, top, right, bottom = sides
    if mode == "constant":
        return _pad_tensor_constant(image, sides, fill)
    height, width = image.shape[-2:]
    spare = 1 if mode == "reflect" else 0
    if mode != "edge" and (max(left, right) > width - spare or max(top, bottom) > height - spare):
        raise ValueError(f"padding_mode {mode} cannot mirror {sides} pixels of an image of {height} x {width}")
    rows = _mirrored(height, top, bottom, mode, image.device)
    columns = _mirrored(width, left, right, mode, image.device)
    return image.index_select(-2, rows).index_select(-1, columns)


def _mirrored(length: int, before: int, after: int, mode: PaddingMode, device: torch.device) -> torch.Tensor:
    """Which row of the image stands at each row of the padded one."""
    index = torch.arange(-before, length + after, device=device)
    if mode == "edge":
        return index.clamp(0, length - 1)
    # A mirror without the border has its axis in the last pixel's centre, one with the border at its edge.
    offset = 1 if mode == "symmetric" else 0
    index = torch.where(index < 0, -index - offset, index)
    return torch.where(index >= length, 2 * (length - 1) - index + offset, index)


def _pad_tensor_constant(
    image: torch.Tensor, sides: tuple[int, int, int, int], fill: float | Sequence[float]
) -> torch.Tensor:
    left, top, right, bottom = sides
    if isinstance(fill, (int, float)) or len(fill) == 1:
        value = fill if isinstance(fill, (int, float)) else fill[0]
        return pad_tensor(image, [left, right, top, bottom], value=value)
    channels = get_dimensions(image)[0]
    if len(fill) != channels:
        raise ValueError(f"fill has {len(fill)} numbers; an image of {channels} channels takes 1 or {channels}")
    height, width = image.shape[-2:]
    padded = image.new_empty((*image.shape[:-2], height + top + bottom, width + left + right))
    padded[:] = torch.tensor(fill, dtype=image.dtype, device=image.device).view(-1, 1, 1)
    padded[..., top : top + height, left : left + width] = image
    return padded


def crop(image: ImageT, top: int, left: int, height: int, width: int) -> ImageT:
    """Cut a rectangle out, in pixels; what lies outside the image is black."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return image.crop((left, top, left + width, top + height))
    rows, columns = image.shape[-2:]
    inside = image[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        return inside
    before_top, before_left = min(max(-top, 0), height), min(max(-left, 0), width)
    after = (width - before_left - inside.shape[-1], height - before_top - inside.shape[-2])
    return pad_tensor(inside, [before_left, after[0], before_top, after[1]])


def center_crop(image: ImageT, size: int | Sequence[int]) -> ImageT:
    """Cut the middle out; an image smaller than that is padded with black first."""
    target_height, target_width = height_and_width(size)
    _, height, width = get_dimensions(image)
    if target_width > width or target_height > height:
        missing_x, missing_y = max(target_width - width, 0), max(target_height - height, 0)
        image = pad(image, [missing_x // 2, missing_y // 2, (missing_x + 1) // 2, (missing_y + 1) // 2])
        _, height, width = get_dimensions(image)
    top = round((height - target_height) / 2)
    left = round((width - target_width) / 2)
    return crop(image, top, left, target_height, target_width)


def hflip(image: ImageT) -> ImageT:
    """Swap left and right."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return image.flip(-1)


def vflip(image: ImageT) -> ImageT:
    """Swap top and bottom."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return image.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)
    return image.flip(-2)


def resized_size(height: int, width: int, size: int | Sequence[int], max_size: int | None = None) -> tuple[int, int]:
    """Height and width after a resize; see `resize`."""
    if not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError("max_size goes with one number as size, not with (height, width)")
        return size[0], size[1]
    requested = height_and_width(size)[0]
    short, long = sorted((height, width))
    new_short, new_long = requested, int(requested * long / short)
    if max_size is not None:
        if max_size <= requested:
            raise ValueError(f"max_size is {max_size}; it must be greater than size, which is {requested}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_short, new_long) if height <= width else (new_long, new_short)


def resize(
    image: ImageT,
    size: int | Sequence[int],
    interpolation: Interpolation = "bilinear",
    max_size: int | None = None,
    antialias: bool | None = True,
) -> ImageT:
    """Scale an image.

    Args:
        image: What to scale.
        size: (height, width); or the length of the shorter edge, which keeps the proportions.
        interpolation: How new pixels are made up.
        max_size: With one number as `size`: at most so long becomes the longer edge.
        antialias: For tensors with `bilinear` and `bicubic`: average over what becomes one pixel, as PIL always does.
    """
    _, height, width = get_dimensions(image)
    new_height, new_width = resized_size(height, width, size, max_size)
    if (new_height, new_width) == (height, width):
        return image
    if not isinstance(image, torch.Tensor):
        return image.resize((new_width, new_height), PIL_RESAMPLING[interpolation])
    return _resize_tensor(image, (new_height, new_width), interpolation, antialias=bool(antialias))


def _resize_tensor(
    image: torch.Tensor, size: tuple[int, int], interpolation: Interpolation, *, antialias: bool
) -> torch.Tensor:
    if interpolation not in {"nearest", "nearest-exact", "bilinear", "bicubic"}:
        raise ValueError(f"interpolation {interpolation} works on PIL images only: put Resize before ToTensor")
    batch = image.reshape(-1, *image.shape[-3:]) if image.ndim > 2 else image[None, None]
    smooth = interpolation in {"bilinear", "bicubic"}
    work = batch if batch.is_floating_point() else batch.float()
    work = interpolate(
        work,
        size=size,
        mode=interpolation,
        align_corners=False if smooth else None,
        antialias=antialias and smooth,
    )
    if not image.is_floating_point():
        if interpolation == "bicubic" and image.dtype == torch.uint8:
            work = work.clamp(0, 255)
        work = work.round() if smooth else work
    return work.to(image.dtype).reshape(*image.shape[:-2], *size)


def resized_crop(
    image: ImageT,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Interpolation = "bilinear",
    antialias: bool | None = True,
) -> ImageT:
    """Cut a rectangle out and scale it to `size`."""
    return resize(crop(image, top, left, height, width), height_and_width(size), interpolation, antialias=antialias)


def erase(image: torch.Tensor, i: int, j: int, h: int, w: int, v: torch.Tensor, inplace: bool = False) -> torch.Tensor:
    """Put `v` over the rectangle of `h` x `w` pixels whose upper left corner is row `i`, column `j`."""
    if not inplace:
        image = image.clone()
    image[..., i : i + h, j : j + w] = v
    return image
