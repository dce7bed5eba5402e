"""The head of a data set, and reading several samples of one together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset

__all__ = ["Head", "read_together"]


def read_together(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """Read several samples: by one call of `__getitems__` where the data set has it, else one by one."""
    together = getattr(dataset, "__getitems__", None)
    return list(together(indices)) if together else [dataset[index] for index in indices]


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
        return read_together(self.dataset, indices)

    def __len__(self) -> int:
        return self.length
