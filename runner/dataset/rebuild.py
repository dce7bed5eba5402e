"""Putting a loader that a user built together again, so that it has a position."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import Any

import torch
from torch.utils.data import BatchSampler, IterableDataset, RandomSampler, Sampler, SequentialSampler
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data.distributed import DistributedSampler

from runner.dataset.dataloader import DataLoader
from runner.dataset.sampler import DefaultSampler
from runner.dist import get_data_info

__all__ = ["rebuild"]


def rebuild(loader: TorchDataLoader[Any], seed: int, rank: int | None = None) -> tuple[TorchDataLoader[Any], bool]:
    """Make a loader with the same data set and options whose batches depend on its position alone.

    torch's `RandomSampler` and `SequentialSampler` become a `DefaultSampler`, so that ranks share the data set; a
    `DistributedSampler` stays. A loader of our own takes the seed if it has none.

    Args:
        loader: What the user built.
        seed: The run's seed.
        rank: What the draws of a batch are keyed by; this process's by default.

    Returns:
        The new loader and True; or the user's own and False where its class, sampler or batch sampler is not torch's,
        so that training can be resumed at the end of an epoch only.
    """
    if isinstance(loader, DataLoader):
        loader.reseed(seed)
        return loader, True
    if type(loader) is not TorchDataLoader or not getattr(loader, "in_order", True):
        return loader, False
    is_iterable = isinstance(loader.dataset, IterableDataset)
    if not is_iterable and not _is_known(loader):
        return loader, False
    # A BatchSampler that the user made holds what the loader itself does not know.
    batching: Any = loader if loader.batch_sampler is None else loader.batch_sampler
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size if loader.batch_sampler is None else batching.batch_size,
        sampler=None if is_iterable else _sampler(batching.sampler, seed),
        num_workers=loader.num_workers,
        seed=seed,
        rank=rank,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=batching.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    ), True


def _is_known(loader: TorchDataLoader[Any]) -> bool:
    batches = loader.batch_sampler
    if batches is not None and type(batches) is not BatchSampler:
        return False
    return type(getattr(batches, "sampler", loader.sampler)) in {RandomSampler, SequentialSampler, DistributedSampler}


def _sampler(sampler: Any, seed: int) -> Sampler[int]:
    if type(sampler) is SequentialSampler:
        return DefaultSampler(sampler.data_source, shuffle=False, seed=seed)
    if type(sampler) is not RandomSampler:
        return sampler  # type: ignore[no-any-return] # a DistributedSampler: its order follows from its seed and epoch
    if not sampler.replacement and sampler.num_samples == len(sampler.data_source):
        return DefaultSampler(sampler.data_source, shuffle=True, seed=seed)
    return _Draws(sampler.data_source, sampler.num_samples, replacement=sampler.replacement)


class _Draws(Sampler[int]):
    """This rank's share of what a RandomSampler draws: with replacement, or another number than the data set has.

    Attributes:
        generator: Keyed anew at each epoch by the loader.
    """

    def __init__(self, dataset: Sized, num_samples: int, *, replacement: bool) -> None:
        self.generator = torch.Generator()
        self._rank, self._world_size = get_data_info()
        self._length = -(-num_samples // self._world_size)
        # The same on all ranks, since the generator is keyed alike; each takes its turn's.
        self._drawn = RandomSampler(dataset, replacement, self._length * self._world_size, self.generator)

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(self._drawn, self._rank, None, self._world_size)

    def __len__(self) -> int:
        return self._length
