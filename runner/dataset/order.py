"""Which samples make up each batch: a pass over the sampler, from any batch on, without reading data."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.data import BatchSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

from runner.dataset.sampler import DefaultSampler, InfiniteSampler
from runner.dataset.streams import Keys, key, key_generators, seed_generators
from runner.dist import get_data_world_size

__all__ = ["Fetch", "Order", "Pass"]

_DRAW_NOTHING = (DefaultSampler, InfiniteSampler, SequentialSampler, DistributedSampler)
"""Samplers whose order is a function of their seed and epoch, whatever state the global generators are in."""

_FIRST_BLOCK = 64
"""Batches that are skipped before it is first seen whether a sampler draws; each further block is eight times as long."""


Fetch: TypeAlias = tuple[int, int, Any]
"""What a worker is asked for: the epoch, the batch, the indices.

The epoch counts from 0; it is always 0 with an endless sampler, whose batches are counted through. So does the batch's
number in it. The indices are the batch's samples; a single index where the loader does not batch. A plain tuple, since
each is pickled for a worker.
"""


class Order:
    """The batches' indices, epoch by epoch.

    Args:
        sampler: The loader's sampler.
        batch_sampler: The loader's batch sampler; None where it does not batch.
        seed: Keys the generators that a foreign sampler draws from.
    """

    def __init__(self, sampler: Any, batch_sampler: Any, seed: int) -> None:
        self.seed = seed
        self._source: Iterable[Any] = sampler if batch_sampler is None else batch_sampler
        # One that changes what is counted, say, but not the iteration: its batches follow from the sampler's indices.
        plain = batch_sampler is None or _iterates_as_torch(batch_sampler)
        # A batch sampler that was given goes through a sampler of its own; torch makes up another one beside it.
        self._sampler: Any = sampler if batch_sampler is None else getattr(batch_sampler, "sampler", None)
        seeker: Any = self._sampler if plain else batch_sampler
        self._seek = seeker.seek if _can_seek(seeker) else None
        self._draws = not (plain and type(self._sampler) in _DRAW_NOTHING)
        self.batch_size: int | None = 1 if batch_sampler is None else getattr(batch_sampler, "batch_size", None)
        self.is_even = plain
        """Whether all batches but the last of an epoch have `batch_size` samples."""
        self.is_endless = any(getattr(part, "endless", False) for part in (seeker, self._sampler))

    @property
    def step(self) -> int:
        """Samples that all ranks together take with one batch each; where batches vary, what they would be at most."""
        return (self.batch_size or 1) * get_data_world_size()

    @property
    def pass_samples(self) -> int | None:
        """Samples of all ranks in one pass of an endless sampler, as its length tells; None where it has no length."""
        return len(self._sampler) if self.is_endless and hasattr(self._sampler, "__len__") else None

    def batches(self, epoch: int, first: int, samples: int) -> Iterator[Fetch]:
        """The fetches of an epoch from a batch on."""
        self._restart(epoch)
        if self._seek is not None:
            self._seek(samples)
            source = self._keyed(epoch, first) if self._draws else iter(self._source)
        else:
            source = self._skipped(epoch, first) if self._draws else itertools.islice(self._source, first, None)
        for batch, indices in enumerate(source, first):
            yield epoch, batch, indices

    def _restart(self, epoch: int) -> None:
        """Put the samplers to the start of an epoch."""
        for part in (self._source, self._sampler):
            set_epoch = getattr(part, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)
            self._rekey(getattr(part, "generator", None), epoch)
        if self._seek is None and _can_seek(self._sampler):
            self._sampler.seek(0)  # one that goes on where it stopped would be skipped twice

    def _rekey(self, generator: Any, epoch: int) -> None:
        """Start a sampler's own generator anew, so that a restarted epoch draws what it drew before."""
        if isinstance(generator, torch.Generator):
            generator.manual_seed(int.from_bytes(key(self.seed, epoch, 0, 0, "sampler")[:8], "little"))

    def _skipped(self, epoch: int, first: int) -> Iterator[Any]:
        """Go through a sampler anew that may draw from the global generators, from a batch on.

        Whether it draws shows in the generators. As long as it does not, the keys make no difference, and batches are
        skipped as fast as the sampler makes them: setting the generators takes ten times as long.
        """
        if first == 0:
            return self._keyed(epoch, 0)
        state = torch.default_generator.get_state()
        try:
            source = self._skip_undrawn(epoch, first)
            if source is None:
                self._restart(epoch)
                source = self._skip_keyed(epoch, first)
        finally:
            torch.default_generator.set_state(state)
        return self._keyed(epoch, first, source)

    def _skip_undrawn(self, epoch: int, first: int) -> Iterator[Any] | None:
        """Skip without keys; None if the sampler drew after its first batch, and has to be started anew."""
        key_generators(key(self.seed, epoch, 0, 0, "sampler"))
        source = iter(self._source)
        next(source, None)
        done, block = 1, _FIRST_BLOCK
        before = _states()
        while done < first:
            block = min(block, first - done)
            deque(itertools.islice(source, block), maxlen=0)
            if _states() != before:
                return None
            done, block = done + block, block * 8
        return source

    def _skip_keyed(self, epoch: int, first: int) -> Iterator[Any]:
        """Skip, the generators keyed for each batch."""
        keys = Keys(self.seed, epoch, 0, "sampler")
        seed_generators(keys.at(0))
        source = iter(self._source)
        for batch in range(1, first):
            next(source, None)
            seed_generators(keys.at(batch))
        next(source, None)
        return source

    def _keyed(self, epoch: int, first: int, source: Iterator[Any] | None = None) -> Iterator[Any]:
        """Go through a sampler that may draw from the global generators, alike on all ranks.

        They are keyed for each batch rather than once, since a step or a fetch may come between two.

        Args:
            epoch: From 0.
            first: The number of the batch that comes next.
            source: The sampler's iterator, if it was begun.
        """
        for batch in itertools.count(first):
            state = torch.default_generator.get_state()
            key_generators(key(self.seed, epoch, 0, batch, "sampler"))
            try:
                source = iter(self._source) if source is None else source
                indices = next(source)
            except StopIteration:
                return
            finally:
                torch.default_generator.set_state(state)
            yield indices


class Pass:
    """One way through the data, as torch's loader takes it: iterable, more than once.

    Attributes:
        sizes: Samples of each batch that was handed out and not yet received, where batches vary.
    """

    def __init__(self, order: Order, epoch: int, first: int, samples: int) -> None:
        self.epoch, self.first, self.samples = epoch, first, samples
        self.sizes: deque[int] = deque()
        self._order = order

    def __iter__(self) -> Iterator[Fetch]:
        fetches = self._order.batches(self.epoch, self.first, self.samples)
        return fetches if self._order.is_even else self._counted(fetches)

    def _counted(self, fetches: Iterator[Fetch]) -> Iterator[Fetch]:
        for fetch in fetches:
            self.sizes.append(len(fetch[2]))
            yield fetch


def _iterates_as_torch(batch_sampler: Any) -> bool:
    """Whether it is torch's, or changes something else than which batches there are."""
    return (
        isinstance(batch_sampler, BatchSampler)
        and type(batch_sampler).__iter__ is BatchSampler.__iter__
        and not _can_seek(batch_sampler)
    )


def _states() -> tuple[Any, ...]:
    """The states of Python's, NumPy's and torch's generators, to be compared."""
    numpys: Any = np.random.get_state(legacy=True)  # noqa: NPY002 - the generator that users' samplers draw from
    return random.getstate(), numpys[1].tobytes(), numpys[2:], torch.default_generator.get_state().numpy().tobytes()


def _can_seek(sampler: Any) -> bool:
    """Whether `seek` is heeded: a subclass that overrides the iteration alone does not know of it."""
    for owner in type(sampler).__mro__:
        if "seek" in vars(owner):
            return True
        if "__iter__" in vars(owner):
            return False
    return False
