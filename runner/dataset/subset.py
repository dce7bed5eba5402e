"""The head of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset

__all__ = ["Head"]


class Head(Dataset[Any]):
    """The first samples of a data set, which otherwise shows through: `metainfo` and the like are the data set's.

    Args:
        dataset: The data set.
        length: How many samples; all of them where it has fewer.
    """

    def __init__(self, dataset: Any, length: int) -> None:
        self.dataset = dataset
        self.length = min(length, len(dataset))

    def __getattr__(self, name: str) -> Any:
        # Unpickling looks names up before `dataset` is there.
        if name.startswith("__") or "dataset" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Read several samples at once where the data set can."""
        together = getattr(self.dataset, "__getitems__", None)
        return list(together(indices)) if together else [self.dataset[index] for index in indices]

    def __len__(self) -> int:
        return self.length
