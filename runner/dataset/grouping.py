"""Batches of samples that are alike."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import BatchSampler

__all__ = ["GroupedBatchSampler"]


class GroupedBatchSampler(BatchSampler):
    """Puts samples together that are alike in size, so that less is padded: in length, or in the ratio of two sides.

    Samples come in the sampler's order; a batch is handed out when its group has enough of them. What is left in the end
    is put together across the groups, smallest first. `{key: [width, height], boundaries: [1.0]}` gives the batches of
    MMDetection's `AspectRatioBatchSampler`.

    Args:
        sampler: Gives indices, and has the `dataset` that they are of.
        batch_size: Samples in a batch.
        key: What of `dataset.get_data_info(index)` is compared; with two keys, the first one's value divided by the
            second's.
        boundaries: Where one group ends and the next begins, in rising order; a value on a boundary is of the upper one.
        drop_last: Leave out a last batch with fewer samples.

    Raises:
        ValueError: The boundaries do not rise.
    """

    def __init__(
        self,
        sampler: Any,
        batch_size: int,
        key: str | tuple[str, str],
        boundaries: Sequence[float],
        drop_last: bool = False,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        if any(low >= high for low, high in itertools.pairwise(boundaries)):
            raise ValueError(f"the boundaries {list(boundaries)} do not rise; sort them, and give each once")
        self.keys = (key,) if isinstance(key, str) else tuple(key)
        self.boundaries = list(boundaries)

    def __iter__(self) -> Iterator[list[int]]:
        groups: list[list[int]] = [[] for _ in range(len(self.boundaries) + 1)]
        for index in self.sampler:
            number = self._group(index)
            groups[number].append(index)
            if len(groups[number]) == self.batch_size:
                yield groups[number]
                groups[number] = []
        rest = [index for group in groups for index in group]
        for first in range(0, len(rest), self.batch_size):
            batch = rest[first : first + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def _group(self, index: int) -> int:
        sampler: Any = self.sampler
        info = sampler.dataset.get_data_info(index)
        missing = [key for key in self.keys if key not in info]
        if missing:
            raise KeyError(
                f"GroupedBatchSampler compares {' and '.join(map(repr, self.keys))}, and sample {index} has no "
                f"'{missing[0]}'; it has {', '.join(map(repr, info))}"
            )
        value = info[self.keys[0]]
        return bisect_right(self.boundaries, value / info[self.keys[1]] if len(self.keys) > 1 else value)
