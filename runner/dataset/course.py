"""How far a loader has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from runner.dataset.fetch import Arrival
from runner.dist import get_world_size

__all__ = ["Course", "Place", "read", "read_arrivals", "read_varying"]


@dataclass(slots=True)
class Place:
    """A place in an epoch, moved on batch by batch.

    Attributes:
        epoch: From 0; always 0 with an endless sampler.
        batch: The next batch's number.
        samples: What all ranks have been given, where batches vary; elsewhere it follows from `batch`.
        turn: The worker of an iterable data set that is next.
        counts: Batches that each such worker has given.
        states: The state of each such worker's data set.
    """

    epoch: int = 0
    batch: int = 0
    samples: int = 0
    turn: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    states: dict[int, Any] = field(default_factory=dict)

    def copy(self) -> Place:
        """The same place, to be moved on by itself."""
        return replace(self, counts=dict(self.counts), states=dict(self.states))


@dataclass(slots=True)
class Course:
    """A loader's way through the epochs.

    Attributes:
        next: Where the next `iter()` begins.
        at: What has been given out: the place of the pass that moved last.
    """

    next: Place
    at: Place


def read(source: Iterator[Any], place: Place, course: Course) -> Generator[Any, None, None]:
    """Hand on batches of one size."""
    for batch in source:
        place.batch += 1
        course.at = place
        yield batch
    course.next = course.at = Place(place.epoch + 1)


def read_varying(source: Iterator[Any], place: Place, course: Course, sizes: deque[int]) -> Generator[Any, None, None]:
    """Hand on batches whose sizes differ."""
    world_size = get_world_size()
    for batch in source:
        place.batch += 1
        place.samples += sizes.popleft() * world_size
        course.at = place
        yield batch
    course.next = course.at = Place(place.epoch + 1)


def read_arrivals(source: Iterator[Arrival], place: Place, course: Course, workers: int) -> Generator[Any, None, None]:
    """Hand on the batches of an iterable data set, and keep what it takes to go on after each."""
    world_size = get_world_size()
    for batch, size, worker, state in source:
        if size == 0:
            continue
        place.batch += 1
        place.samples += size * world_size
        place.turn = (worker + 1) % workers
        place.counts[worker] = place.counts.get(worker, 0) + 1
        if state is not None:
            place.states[worker] = state
        course.at = place
        yield batch
    course.next = course.at = Place(place.epoch + 1)
