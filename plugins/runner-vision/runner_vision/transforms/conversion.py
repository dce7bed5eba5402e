"""From images to the numbers that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import PIL.Image
import torch

from runner.kinds import Interval
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it

__all__ = ["Normalize", "ToTensor"]


class ToTensor:
    """Make a tensor of shape (C, H, W) from a PIL image or an array of shape (H, W) or (H, W, C).

    Bytes become float32 in [0, 1]; any other type of number keeps its type and its values.
    """

    def __call__(self, pic: PIL.Image.Image | np.ndarray[Any, Any]) -> torch.Tensor:
        """Apply it."""
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """Subtract a mean and divide by a standard deviation, channel by channel.

    Args:
        mean: One number for each channel, in the tensor's own units (after `ToTensor`, 0 to 1).
        std: One number for each channel.
        inplace: Change the tensor itself.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[Annotated[float, Interval(gt=0)]], inplace: bool = False
    ) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
