"""What the transforms do to one image, with nothing drawn: torchvision's functions under torchvision's names.

An image is a PIL image or a tensor of shape (..., C, H, W); what comes in as one goes out as the same.
"""

from __future__ import annotations

from runner_vision.transforms.functional.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    rgb_to_grayscale,
)
from runner_vision.transforms.functional.conversion import normalize, to_tensor
from runner_vision.transforms.functional.geometry import (
    center_crop,
    crop,
    erase,
    hflip,
    pad,
    resize,
    resized_crop,
    vflip,
)
from runner_vision.transforms.functional.image import Image, InterpolationMode, get_dimensions
from runner_vision.transforms.functional.rotation import rotate

__all__ = [
    "Image",
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "center_crop",
    "crop",
    "erase",
    "get_dimensions",
    "hflip",
    "normalize",
    "pad",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "to_tensor",
    "vflip",
]
