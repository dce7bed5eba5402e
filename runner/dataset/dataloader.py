"""torch's DataLoader, with a position that can be saved and batches that depend on it alone."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sized
from typing import Any, NamedTuple, TypedDict, cast

import torch
from torch.utils.data import BatchSampler, IterableDataset
from torch.utils.data import DataLoader as TorchDataLoader

from runner.dataset.course import Course, Place, read, read_arrivals, read_varying
from runner.dataset.fetch import KeyedDataset, KeyedIterable, Resumption
from runner.dataset.order import Order, Pass
from runner.dataset.pool import Pool
from runner.dataset.sampler import DefaultSampler
from runner.dist import get_data_rank, get_data_world_size

__all__ = ["DataLoader", "Position"]


_INNER = (
    "num_workers",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
)
"""Options of torch's loader that say who reads, not what."""


class Position(NamedTuple):
    """Where a loader stands.

    Attributes:
        epoch: From 0; with an endless sampler, passes over the data set that are over.
        samples: Samples of the epoch that all ranks together have been given.
    """

    epoch: int
    samples: int


class WorkersState(TypedDict):
    """Where the workers of an iterable data set stand.

    Attributes:
        workers: How many there are; 1 where the main process reads.
        turn: The one that is next.
        counts: Batches that each has given in this epoch.
        states: What the data set's `state_dict` told after them; empty where it has none.
    """

    workers: int
    turn: int
    counts: dict[int, int]
    states: dict[int, Any]


class LoaderState(TypedDict):
    """What a checkpoint holds of a loader.

    Attributes:
        epoch: From 0; passes that are over, with an endless sampler.
        samples: Samples of the epoch that all ranks have been given.
        batch: The next batch's number.
        batch_size: Of each rank.
        world_size: Ranks.
        workers: On an iterable data set only, this rank's workers.
    """

    epoch: int
    samples: int
    batch: int
    batch_size: int | None
    world_size: int
    workers: WorkersState | None


class DataLoader(TorchDataLoader[Any]):
    """A DataLoader whose n-th batch of an epoch is the same whatever came before and whoever reads it.

    All generators are keyed by (seed, epoch, rank, batch) before a batch is read, in a worker or not, so neither the
    number of workers nor a resumption changes what is drawn. `iter()` goes on from where `seek` or `load_state_dict`
    put the loader; each further one is the next epoch, unless `set_epoch` names another.

    Args:
        dataset: With `__getitem__` (and `__getitems__`, which is preferred) or iterable. An iterable data set with
            `state_dict` and `load_state_dict` is put back; another is read again up to where it was.
        batch_size: Samples of a batch on each rank; None hands on single samples.
        shuffle: With no sampler given: draw in a random order.
        sampler: Gives indices. By default a `DefaultSampler`, which deals the data set out to the ranks. One with
            `seek(samples)` is asked to go there; any other is iterated anew, its generators keyed, and skipped.
        batch_sampler: Gives lists of indices.
        num_workers: Processes that read ahead; 0 reads in the main process, when asked.
        seed: Keys everything; None stands for the Runner's, and for 0 without one.
        rank: Keys what is drawn while reading; None is this process's.
        **kwargs: torch's: `collate_fn`, `pin_memory`, `drop_last`, `timeout`, `worker_init_fn`,
            `multiprocessing_context`, `prefetch_factor`, `persistent_workers`, ….

    Raises:
        ValueError: Options exclude each other, or `in_order` is False: batches in an order that depends on timing have
            no position to go back to.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        *,
        seed: int | None = None,
        rank: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.get("in_order", True):
            raise ValueError(
                "in_order is False: batches come in an order that depends on timing, so that training could not be "
                "resumed; leave it out"
            )
        self.is_seeded = seed is not None
        self.guards_torch = True
        self.seed = seed or 0
        self.rank = get_data_rank() if rank is None else rank
        self._made_sampler = sampler is None and batch_sampler is None and not isinstance(dataset, IterableDataset)
        if self._made_sampler:
            sampler, shuffle = DefaultSampler(dataset, shuffle=bool(shuffle), seed=self.seed), None
        # A private generator: torch would draw the workers' base seed from the training stream.
        generator = kwargs.pop("generator", None) or torch.Generator().manual_seed(self.seed & (2**63 - 1))
        super().__init__(
            dataset, batch_size, shuffle, sampler, batch_sampler, num_workers, generator=generator, **kwargs
        )
        self._is_iterable = isinstance(dataset, IterableDataset)
        self._order = Order(self.sampler, self.batch_sampler, self.seed)
        self._varies = self._is_iterable or not self._order.is_even
        self._pool = Pool({name: getattr(self, name) for name in _INNER})
        self._go_to(Place())

    def __len__(self) -> int:
        """Batches of an epoch on each rank; a data set with `begin_pass` tells the samples of all ranks together."""
        if not (self._is_iterable and hasattr(self.dataset, "begin_pass")):
            return super().__len__()
        share = math.ceil(len(cast("Sized", self.dataset)) / get_data_world_size())
        size = self.batch_size or 1
        return share // size if self.drop_last else math.ceil(share / size)

    def reseed(self, seed: int) -> None:
        """Take the Runner's seed, where none was given to the constructor."""
        if self.is_seeded:
            return
        self.seed, self.is_seeded = seed, True
        self._order.seed = seed
        if self._made_sampler:
            cast("DefaultSampler", self.sampler).seed = seed
        self._pool.close()

    def restart_workers(self) -> None:
        """Let workers go that live on from pass to pass: the next pass starts new ones, with the data set as it is now."""
        self._pool.close()

    # ---- where it stands ---------------------------------------------------------------------------------------------

    @property
    def first_batch(self) -> int:
        """The number, in its epoch, of the batch that the next `iter()` gives first."""
        return self._upcoming.batch

    @property
    def position(self) -> Position:
        """What has been given out: of the pass under way, or of the one to come."""
        return self._position_of(self._course.at)

    @property
    def last_size(self) -> int | None:
        """Samples of the batch that this rank was given last; None where there is none, or where that is not known."""
        place, size = self._course.at, self._order.batch_size
        if self._varies:
            return place.last // get_data_world_size() or None
        if self.batch_sampler is None or size is None or place.batch == 0:
            return None
        # Even batches are torch's own batch sampler's.
        source = cast("BatchSampler", self.batch_sampler).sampler
        if self._order.is_endless or not isinstance(source, Sized):
            return size
        return min(size, len(source) - (place.batch - 1) * size)

    def set_epoch(self, epoch: int) -> None:
        """Let the next `iter()` give this epoch, from its start, or from where the loader was put in it.

        An endless sampler counts its epochs itself.
        """
        if not self._order.is_endless and self._course.next.epoch != epoch:
            self._go_to(Place(epoch))

    def seek(self, epoch: int, samples: int) -> None:
        """Let the next `iter()` begin in an epoch after so many samples of all ranks together.

        Args:
            epoch: From 0.
            samples: Rounded up to whole batches of all ranks.
        """
        place = Place(epoch, math.ceil(samples / self._order.step), samples)
        if self._order.is_endless:
            place.samples += epoch * (self._order.pass_samples or 0)
            place.epoch, place.batch = 0, math.ceil(place.samples / self._order.step)
        self._go_to(place)

    def state_dict(self, finished_epoch: bool = False, pending: bool = False) -> LoaderState:
        """The position, as plain data.

        Args:
            finished_epoch: Count the epoch as over although not all of its batches were asked for.
            pending: Count the last batch as not given out, since nothing was done with it yet.
        """
        place = self._course.at.before_last() if pending else self._course.at
        if finished_epoch and not self._order.is_endless:
            place = Place(place.epoch + 1)
        epoch, samples = self._position_of(place)
        workers: WorkersState | None = None
        if self._is_iterable:
            workers = {
                "workers": max(1, self.num_workers),
                "turn": place.turn,
                "counts": dict(place.counts),
                "states": dict(place.states),
            }
        return {
            "epoch": epoch,
            "samples": samples,
            "batch": place.batch,
            "batch_size": self._order.batch_size,
            "world_size": get_data_world_size(),
            "workers": workers,
        }

    def load_state_dict(self, state: LoaderState) -> list[str]:
        """Let the next `iter()` go on where the saved run stood.

        Returns:
            What a person should know: that the run can't go on exactly there, or that it takes reading data again.
        """
        order = self._order
        notes: list[str] = []
        if state["batch_size"] == order.batch_size and state["world_size"] == get_data_world_size():
            self.seek(state["epoch"], state["samples"])
            self._course.next.batch = state["batch"]
        else:
            self._load_elsewhere(state)
            notes.append(
                f"the run was saved with {state['world_size']} x {state['batch_size']} samples a step and goes on with "
                f"{get_data_world_size()} x {order.batch_size}: it goes on at the next whole batch of all ranks, after "
                f"{self.position.samples} samples of epoch {self.position.epoch} where {state['samples']} had been seen, "
                "and will not be bit-equal"
            )
        if self._is_iterable:
            notes.extend(self._load_workers(state["workers"] if not notes else None))
        return notes

    def _load_elsewhere(self, state: LoaderState) -> None:
        if state["batch_size"] is None or self._order.batch_size is None:
            # A batch sampler that tells no size: the same share of the batches.
            self._go_to(Place(state["epoch"], math.ceil(state["batch"] * state["world_size"] / get_data_world_size())))
        else:
            self.seek(state["epoch"], state["samples"])

    def _load_workers(self, saved: WorkersState | None) -> list[str]:
        place, workers = self._course.next, max(1, self.num_workers)
        if place.batch == 0:
            return []
        if saved is not None and saved["workers"] == workers:
            place.turn, place.counts, place.states = saved["turn"], dict(saved["counts"]), dict(saved["states"])
            if place.states:
                return []
        else:
            place.turn = place.batch % workers
            place.counts = {worker: (place.batch + workers - 1 - worker) // workers for worker in range(workers)}
        name = type(self.dataset).__name__
        note = f"{name}: {place.batch} batches are read again to come back to where the run was saved"
        if hasattr(self.dataset, "state_dict"):
            were = saved["workers"] if saved else "other"
            note += f", as the states of {were} workers do not fit {workers}"
            return [
                f"{note}; where each reads a share of its own, some samples come twice in this epoch and some never"
            ]
        return [f"{note}; give it state_dict() and load_state_dict(state) to go there at once"]

    @property
    def _upcoming(self) -> Place:
        return self._course.at if self._order.is_endless else self._course.next

    def _go_to(self, place: Place) -> None:
        self._course = Course(place, place)

    def _position_of(self, place: Place) -> Position:
        order = self._order
        samples = place.samples if self._varies else place.batch * order.step
        if order.is_endless:
            length = order.pass_samples
            return Position(*divmod(samples, length)) if length else Position(0, samples)
        return Position(place.epoch, samples)

    # ---- going through the data --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # torch promises a private class of its own
        course, place = self._course, self._upcoming.copy()
        if not self._order.is_endless:
            # Another iter() before this one is through, as a hook that looks at a batch does, is another epoch.
            course.next = Place(place.epoch + 1)
        course.at = place
        reader = self._read_iterable(place) if self._is_iterable else self._read_map(place)
        self._pool.serve(reader)
        return reader

    def _read_map(self, place: Place) -> Generator[Any, None, None]:
        samples = place.samples if self._varies else place.batch * self._order.step
        batches = Pass(self._order, place.epoch, place.batch, samples)
        dataset = KeyedDataset(
            self.dataset,
            self.collate_fn,
            batched=self.batch_sampler is not None,
            seed=self.seed,
            rank=self.rank,
            guards_torch=self.guards_torch,
        )
        source = self._pool.batches(dataset, batches)
        if self._varies:
            return read_varying(source, place, self._course, batches.sizes)
        return read(source, place, self._course)

    def _read_iterable(self, place: Place) -> Generator[Any, None, None]:
        dataset = KeyedIterable(
            self.dataset,
            self.collate_fn,
            batch_size=self.batch_size,
            drop_last=self.drop_last,
            seed=self.seed,
            rank=self.rank,
            start=Resumption(place.epoch, place.turn, dict(place.counts), dict(place.states)),
        )
        arrivals = self._pool.arrivals(dataset, place.epoch, from_start=place.batch == 0)
        return read_arrivals(arrivals, place, self._course, max(1, self.num_workers))
