"""The handwritten digits that scikit-learn carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from runner.kinds import Slot
from runner_vision.transforms.compose import composed

__all__ = ["Digits"]

_PART_FOR_VALIDATION = 5
_BRIGHTEST = 16


class Digits(Dataset[tuple[Any, Any]]):
    """1,797 handwritten digits of 8 x 8 pixels, from scikit-learn: nothing is downloaded.

    An item is (image, label): a float32 tensor of shape (1, 8, 8) from 0 (paper) to 1 (ink), and 0 to 9.

    Source: E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998 (its test set).

    Args:
        split: `train` has 1,437 images and `val` the other 360, each with every digit in its share; `all` has both. The
            split is fixed: of the images sorted by digit, and in the file's order within a digit, every fifth is `val`.
        transform: What is done to each image when it is read: transforms of tensors, first to last.
        target_transform: What is done to each label when it is read.
    """

    def __init__(
        self,
        split: Literal["train", "val", "all"] = "train",
        transform: Annotated[Callable[[Any], Any] | Sequence[Any] | None, Slot("transform")] = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        if split not in {"train", "val", "all"}:
            raise ValueError(f"split is {split!r}; it takes train, val or all")
        self.split = split
        self.transform = composed(transform)
        self.target_transform = target_transform
        images, labels = _read()
        by_digit = np.argsort(labels, kind="stable")
        held_out = np.arange(len(labels)) % _PART_FOR_VALIDATION == 0
        kept = {"train": by_digit[~held_out], "val": by_digit[held_out], "all": by_digit}[split]
        kept.sort()
        self.images = torch.from_numpy(images[kept])
        self.targets: list[int] = labels[kept].tolist()

    @property
    def metainfo(self) -> dict[str, Any]:
        """The names of the classes, in the order of the labels."""
        return {"classes": tuple(str(digit) for digit in range(10))}

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        # A copy, so that a transform which works in place cannot change the data set.
        image: Any = self.images[index].clone()
        label: Any = self.targets[index]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label


@lru_cache(maxsize=1)
def _read() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images of shape (1797, 1, 8, 8) from 0 to 1, and labels; read once in a process."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped] # scikit-learn has no type hints

    numbers, labels = load_digits(return_X_y=True)
    images = (numbers / _BRIGHTEST).astype(np.float32).reshape(-1, 1, 8, 8)
    return images, labels.astype(np.int64)
