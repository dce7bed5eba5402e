"""Putting a rectangle out of sight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch

from runner.kinds import Interval
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it
from runner_vision.transforms.functional.image import get_dimensions

__all__ = ["RandomErasing"]


class RandomErasing:
    """Erase a rectangle of random size and proportions, sometimes. Takes tensors: put it after `ToTensor`.

    Source: Zhong et al., "Random erasing data augmentation", 2017.

    Args:
        p: How often, from 0 to 1.
        scale: Smallest and largest part of the image's area.
        ratio: Smallest and largest height divided by width.
        value: What is put there: one number, one for each channel, or noise of zero mean and unit deviation (`random`).
        inplace: Change the tensor itself.
    """

    def __init__(
        self,
        p: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        scale: tuple[Annotated[float, Interval(ge=0, le=1)], Annotated[float, Interval(ge=0, le=1)]] = (0.02, 0.33),
        ratio: tuple[Annotated[float, Interval(gt=0)], Annotated[float, Interval(gt=0)]] = (0.3, 3.3),
        value: float | Sequence[float] | Literal["random"] = 0,
        inplace: bool = False,
    ) -> None:
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            raise ValueError(f"scale={scale} and ratio={ratio} take the smallest value first")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"value is {value!r}; it takes a number, one number for each channel, or random")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: torch.Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, torch.Tensor]:
        """Draw top, left, height, width and what is put there; the image itself after ten attempts without a fit.

        Args:
            img: Of shape (..., C, H, W).
            scale: As the class's.
            ratio: As the class's.
            value: One number, or one for each channel; None for noise.
        """
        channels, height, width = get_dimensions(img)
        log_ratio = torch.log(torch.tensor(ratio))
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(scale[0], scale[1]).item()
            aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0].item(), log_ratio[1].item())).item()
            part_height = round(math.sqrt(area * aspect))
            part_width = round(math.sqrt(area / aspect))
            if not (part_height < height and part_width < width):
                continue
            if value is None:
                patch = torch.empty([channels, part_height, part_width], dtype=torch.float32).normal_()
            else:
                patch = torch.tensor(value)[:, None, None]
            top = int(torch.randint(0, height - part_height + 1, size=(1,)).item())
            left = int(torch.randint(0, width - part_width + 1, size=(1,)).item())
            return top, left, part_height, part_width, patch
        return 0, 0, height, width, img

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        if not isinstance(image, torch.Tensor):
            raise TypeError(f"RandomErasing got {type(image).__name__}; it takes a tensor: put ToTensor before it")
        if torch.rand(1).item() >= self.p:
            return image
        top, left, height, width, patch = self.get_params(image, self.scale, self.ratio, self._numbers(image))
        return F.erase(image, top, left, height, width, patch, self.inplace)

    def _numbers(self, image: torch.Tensor) -> list[float] | None:
        if isinstance(self.value, str):
            return None
        if isinstance(self.value, (int, float)):
            return [float(self.value)]
        channels = get_dimensions(image)[0]
        if len(self.value) not in {1, channels}:
            raise ValueError(
                f"value has {len(self.value)} numbers; an image of {channels} channels takes 1 or {channels}"
            )
        return [float(number) for number in self.value]

    def __repr__(self) -> str:
        return f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value})"
