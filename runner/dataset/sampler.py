"""The orders in which samples are drawn, and each rank's share of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sized

import torch
from torch import Tensor
from torch.utils.data import Sampler

from runner.dist import get_data_info, sync_random_seed

__all__ = ["DefaultSampler", "InfiniteSampler"]

_CHUNK = 4096
"""Indices that are Python integers at one time: a list as long as the data set would take 8 times its tensor."""


def _first_of_rank(samples: int, rank: int, world_size: int) -> int:
    """How many of a rank's own samples lie among the first `samples` of all ranks together."""
    return max(0, -((rank - samples) // world_size))


class DefaultSampler(Sampler[int]):
    """Each sample once an epoch, shuffled or not, dealt out to the ranks in turn.

    The indices are MMEngine's: the permutation is torch's of a generator seeded with `seed + epoch`.

    Args:
        dataset: The data set; only its length is used.
        shuffle: Draw the samples in a random order, another one each epoch.
        seed: The same in all processes. None draws one on rank 0 for all.
        round_up: Repeat samples from the start so that all ranks get the same number.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        self.rank, self.world_size = get_data_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.round_up = round_up
        size = len(dataset)
        if round_up:
            self.num_samples = math.ceil(size / self.world_size)
            self.total_size = self.num_samples * self.world_size
        else:
            self.num_samples = math.ceil((size - self.rank) / self.world_size)
            self.total_size = size
        self._start = 0

    def __iter__(self) -> Iterator[int]:
        start, self._start = self._start, 0
        # Chained, no Python runs from one index to the next.
        return itertools.chain.from_iterable(self._chunks(start))

    def _chunks(self, start: int) -> Iterator[Iterable[int]]:
        size = len(self.dataset)
        order: Tensor | None = None
        if self.shuffle:
            order = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed + self.epoch))
        for first in range(start, self.num_samples, _CHUNK):
            last = min(first + _CHUNK, self.num_samples)
            if last * self.world_size <= size:
                dealt = slice(first * self.world_size + self.rank, last * self.world_size, self.world_size)
                yield range(size)[dealt] if order is None else order[dealt].tolist()
            else:  # some places lie beyond the end, which is the start again
                places = torch.arange(first, last) * self.world_size + self.rank
                places %= size
                yield (places if order is None else order[places]).tolist()

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self.epoch = epoch

    def seek(self, samples: int) -> None:
        """Let the next iteration, and it alone, begin after so many samples of all ranks together."""
        self._start = _first_of_rank(samples, self.rank, self.world_size)


class InfiniteSampler(Sampler[int]):
    """Passes over the data set without end, for loops that count iterations; dealt out to the ranks in turn.

    The indices are MMEngine's: one generator, seeded once, draws the permutation of each pass in turn. An iteration
    goes on where the last one stopped.

    Args:
        dataset: The data set; only its length is used.
        shuffle: Draw the samples of each pass in a random order.
        seed: The same in all processes. None draws one on rank 0 for all.
    """

    endless = True
    """Tells a DataLoader that passes are counted as epochs."""

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_data_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.size = len(dataset)
        self._position = self.rank

    def __iter__(self) -> Iterator[int]:
        if self.size == 0:
            raise ValueError("InfiniteSampler: the data set is empty, so there is nothing to repeat; check its files")
        generator = torch.Generator().manual_seed(self.seed)
        drawn, order = 0, torch.empty(0, dtype=torch.int64)
        while True:
            # A place is an index into all passes laid end to end; a chunk stays within one pass.
            turn, place = divmod(self._position, self.size)
            if self.shuffle:
                while drawn <= turn:
                    order = torch.randperm(self.size, generator=generator)
                    drawn += 1
            last = min(place + _CHUNK * self.world_size, self.size)
            places = torch.arange(place, last, self.world_size)
            for index in (order[places] if self.shuffle else places).tolist():
                self._position += self.world_size
                yield index

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the passes follow each other by themselves."""

    def seek(self, samples: int) -> None:
        """Let the next iteration begin after so many samples of all ranks together, counted over all passes."""
        self._position = self.rank + _first_of_rank(samples, self.rank, self.world_size) * self.world_size
