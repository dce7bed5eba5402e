"""Reading a batch with the generators keyed, in a worker or in the main process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from runner.dataset.order import Fetch
from runner.dataset.streams import Keys, key, key_generators, seed_generators
from runner.dist import get_data_rank, get_data_world_size

__all__ = ["Arrival", "KeyedDataset", "KeyedIterable", "Reader", "Resumption"]

Collate = Callable[[Any], Any]


class _Face:
    """Shows the user's data set through ours, for a `worker_init_fn` that asks `get_worker_info().dataset`."""

    dataset: Any

    def __getattr__(self, name: str) -> Any:
        # Unpickling looks names up before `dataset` is there.
        if name.startswith("__") or "dataset" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "dataset" in self.__dict__ and name not in self.__dict__:
            setattr(self.dataset, name, value)
        else:
            super().__setattr__(name, value)


class KeyedDataset(_Face, Dataset[Any]):
    """A data set that is indexed by fetches and gives whole batches.

    Args:
        dataset: The user's.
        collate: Samples to a batch, or what is done with a single sample where the loader does not batch.
        batched: Whether a fetch names several samples.
        seed: The run's seed.
        rank: Of the process.
        guards_torch: Whether a fetch in the main process puts torch's generator back to where it was.
    """

    _keys: Keys | None

    def __init__(
        self, dataset: Any, collate: Collate, *, batched: bool, seed: int, rank: int, guards_torch: bool = True
    ) -> None:
        vars(self).update(
            _collate=collate,
            _batched=batched,
            _seed=seed,
            _rank=rank,
            _guards=guards_torch,
            _keys=None,
            dataset=dataset,
        )

    def __getitem__(self, fetch: Fetch) -> Any:
        epoch, batch, indices = fetch
        keys = self._keys
        if keys is None or keys.epoch != epoch:
            keys = self._keys = Keys(self._seed, epoch, self._rank, "data")
        if not self._guards or get_worker_info() is not None:
            seed_generators(keys.at(batch))
            return self._collate(self._read(indices))
        # Torch's stream belongs to whoever asks; Python's and NumPy's are keyed before each step anyway.
        state = torch.default_generator.get_state()
        seed_generators(keys.at(batch))
        try:
            return self._collate(self._read(indices))
        finally:
            torch.default_generator.set_state(state)

    def _read(self, indices: Any) -> Any:
        dataset = self.dataset
        if not self._batched:
            return dataset[indices]
        together = getattr(dataset, "__getitems__", None)
        return together(indices) if together else [dataset[index] for index in indices]


class Reader(NamedTuple):
    """Who goes through an iterable data set, and for what: what its `begin_pass(reader)` is told before each pass.

    Attributes:
        seed: The run's.
        epoch: From 0.
        rank: Of the process, among those that get different data.
        world_size: Such processes.
        worker: From 0; 0 where the main process reads.
        workers: Of each process; 1 where the main process reads.
        batch_size: Samples of a batch; 1 where the loader does not batch.
    """

    seed: int
    epoch: int
    rank: int
    world_size: int
    worker: int
    workers: int
    batch_size: int


class Arrival(NamedTuple):
    """A batch of an iterable data set, and what it takes to go on after it.

    Attributes:
        batch: The collated batch; None before the first one of a worker whose turn was over when the run was saved.
        size: Its samples; 0 where there is no batch.
        worker: Which worker read it; 0 in the main process.
        state: The data set's state after it; None for a data set that tells none.
    """

    batch: Any
    size: int
    worker: int
    state: Any


class Resumption(NamedTuple):
    """Where an iterable data set goes on.

    Attributes:
        epoch: From 0.
        turn: The worker whose turn it is.
        counts: Batches that each worker has given in this epoch.
        states: Each worker's state after them; empty where the data set tells none, and they have to be read again.
    """

    epoch: int
    turn: int
    counts: Mapping[int, int]
    states: Mapping[int, Any]


class KeyedIterable(_Face, IterableDataset[Arrival]):
    """An iterable data set that gives whole batches with their states.

    Workers take turns, so the n-th batch of worker w of W is number n * W + w, which keys it. Before each pass the data
    set's `set_epoch(epoch)` and `begin_pass(reader)` are called, where it has them.

    Args:
        dataset: The user's.
        collate: Samples to a batch.
        batch_size: Samples of a batch; None where the loader does not batch.
        drop_last: Whether a last batch with fewer samples is left out.
        seed: The run's seed.
        rank: Of the process.
        start: Where the first pass begins; each later one, in a worker that lives on, is the next epoch's.
    """

    _start: Resumption
    _place: tuple[int, int]

    def __init__(
        self,
        dataset: Any,
        collate: Collate,
        *,
        batch_size: int | None,
        drop_last: bool,
        seed: int,
        rank: int,
        start: Resumption,
    ) -> None:
        vars(self).update(
            _collate=collate,
            _batch_size=batch_size,
            _drop_last=drop_last,
            _seed=seed,
            _rank=rank,
            _start=start,
            # A worker that was spawned is in no process group.
            _place=(get_data_rank(), get_data_world_size()),
            dataset=dataset,
        )

    def __iter__(self) -> Iterator[Arrival]:
        start = self._start
        self._start = Resumption(start.epoch + 1, 0, {}, {})
        info = get_worker_info()
        return self._arrivals(start, *((0, 1) if info is None else (info.id, info.num_workers)), in_worker=bool(info))

    def _arrivals(self, start: Resumption, worker: int, workers: int, *, in_worker: bool) -> Iterator[Arrival]:
        self._announce(start.epoch, worker, workers)
        telling = hasattr(self.dataset, "state_dict")
        if worker < start.turn:
            # It had its turn in the round that was broken off: this stands for the batch that it gave then.
            yield Arrival(None, 0, worker, start.states.get(worker))
        done, number = start.counts.get(worker, 0), 0
        if worker in start.states:
            self.dataset.load_state_dict(start.states[worker])
            number = done
        samples: Iterator[Any] | None = None
        while True:
            state = None if in_worker else torch.default_generator.get_state()
            key_generators(key(self._seed, start.epoch, self._rank, number * workers + worker, "data"))
            try:
                samples = iter(self.dataset) if samples is None else samples
                batch = self._next(samples)
            finally:
                if state is not None:
                    torch.default_generator.set_state(state)
            if batch is None:
                return
            number += 1
            if number > done:
                yield Arrival(batch[0], batch[1], worker, self.dataset.state_dict() if telling else None)

    def _announce(self, epoch: int, worker: int, workers: int) -> None:
        """Tell the data set which pass begins."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        if hasattr(self.dataset, "begin_pass"):
            rank, world_size = self._place
            self.dataset.begin_pass(Reader(self._seed, epoch, rank, world_size, worker, workers, self._batch_size or 1))

    def _next(self, samples: Iterator[Any]) -> tuple[Any, int] | None:
        """The next batch and its size; None where there is none left."""
        if self._batch_size is None:
            for sample in samples:
                return self._collate(sample), 1
            return None
        batch = [sample for _, sample in zip(range(self._batch_size), samples, strict=False)]
        if not batch or (self._drop_last and len(batch) < self._batch_size):
            return None
        return self._collate(batch), len(batch)
