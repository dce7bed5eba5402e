"""From files to images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image

__all__ = ["LoadImage"]


class LoadImage:
    """Make a PIL image of a file's path, an array of bytes of shape (H, W) or (H, W, C), or another PIL image.

    Args:
        mode: What it is converted to: `RGB`, or `L` for grey.
    """

    def __init__(self, mode: Literal["RGB", "L"] = "RGB") -> None:
        self.mode = mode

    def __call__(self, image: str | Path | np.ndarray[Any, Any] | PIL.Image.Image) -> PIL.Image.Image:
        """Apply it."""
        if isinstance(image, (str, Path)):
            with Path(image).open("rb") as stream, PIL.Image.open(stream) as opened:
                return _converted(opened, self.mode)
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8:
                raise TypeError(f"LoadImage got an array of {image.dtype}; it takes bytes (uint8), from 0 to 255")
            image = PIL.Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
        return _converted(image, self.mode)

    def __repr__(self) -> str:
        return f"LoadImage(mode={self.mode})"


def _converted(image: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    converted: PIL.Image.Image = image.convert(mode)
    return converted
