"""What colour pixels have."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import torch

from runner_vision.transforms.functional.image import ImageT, check_image, get_dimensions

__all__ = ["adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "rgb_to_grayscale"]

_LUMA = (0.2989, 0.587, 0.114)
"""How bright red, green and blue are (ITU-R BT.601)."""


def adjust_brightness(image: ImageT, brightness_factor: float) -> ImageT:
    """0 gives a black image, 1 the image itself, 2 one twice as bright."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return PIL.ImageEnhance.Brightness(image).enhance(brightness_factor)
    return _blend(image, torch.zeros_like(image), brightness_factor)


def adjust_contrast(image: ImageT, contrast_factor: float) -> ImageT:
    """0 gives its mean grey all over, 1 the image itself, 2 twice the contrast."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return PIL.ImageEnhance.Contrast(image).enhance(contrast_factor)
    gray = rgb_to_grayscale(image) if get_dimensions(image)[0] == 3 else image
    gray = gray if gray.is_floating_point() else gray.float()
    return _blend(image, gray.mean(dim=(-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(image: ImageT, saturation_factor: float) -> ImageT:
    """0 gives a grey image, 1 the image itself, 2 colours twice as strong."""
    check_image(image)
    if not isinstance(image, torch.Tensor):
        return PIL.ImageEnhance.Color(image).enhance(saturation_factor)
    if get_dimensions(image)[0] == 1:
        return image
    return _blend(image, rgb_to_grayscale(image), saturation_factor)


def adjust_hue(image: ImageT, hue_factor: float) -> ImageT:
    """Turn the colour wheel by `hue_factor` of a full turn, from -0.5 to 0.5.

    Raises:
        ValueError: If it is out of these bounds.
    """
    check_image(image)
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor is {hue_factor}; it takes -0.5 to 0.5 of a turn")
    if isinstance(image, torch.Tensor):
        return _turn_hue(image, hue_factor) if get_dimensions(image)[0] == 3 else image
    if image.mode in {"L", "1", "I", "F"}:
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue, dtype=np.int64) + int(hue_factor * 255)
    hue = PIL.Image.fromarray((turned % 256).astype(np.uint8))
    return PIL.Image.merge("HSV", (hue, saturation, value)).convert(image.mode)


def rgb_to_grayscale(image: ImageT, num_output_channels: int = 1) -> ImageT:
    """Keep how bright each pixel is, in one channel or in three equal ones.

    Raises:
        ValueError: If the image has neither one nor three channels, or another number of channels is asked for.
    """
    check_image(image)
    if num_output_channels not in {1, 3}:
        raise ValueError(f"num_output_channels is {num_output_channels}; it takes 1 or 3")
    if not isinstance(image, torch.Tensor):
        gray = image.convert("L")
        return gray if num_output_channels == 1 else PIL.Image.merge("RGB", (gray, gray, gray))
    channels = get_dimensions(image)[0]
    if channels not in {1, 3}:
        raise ValueError(f"an image of {channels} channels has no grayscale; it takes 1 or 3")
    if channels == 3:
        red, green, blue = image.unbind(-3)
        image = (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue).to(image.dtype).unsqueeze(-3)
    return image.expand(*image.shape[:-3], num_output_channels, *image.shape[-2:]).clone()


def _blend(image: torch.Tensor, other: torch.Tensor, ratio: float) -> torch.Tensor:
    bound = 1.0 if image.is_floating_point() else 255.0
    return (ratio * image + (1 - ratio) * other).clamp(0, bound).to(image.dtype)


def _turn_hue(image: torch.Tensor, hue_factor: float) -> torch.Tensor:
    """By way of hue, saturation and value (Smith, "Color gamut transform pairs", SIGGRAPH 1978)."""
    work = image if image.is_floating_point() else image / 255.0
    value, _ = work.max(dim=-3)
    chroma = value - work.min(dim=-3).values
    red, green, blue = work.unbind(-3)
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = torch.remainder(sixth + 6 * hue_factor, 6)
    # Each channel is `value`, less `chroma` where the hue is far from the channel's own.
    channels = []
    for offset in (5, 3, 1):
        distance = torch.remainder(offset + sixth, 6)
        channels.append(value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1))
    turned = torch.stack(channels, dim=-3)
    return turned if image.is_floating_point() else (turned * 255).round().to(image.dtype)
