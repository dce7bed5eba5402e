"""How far a loader has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from runner.dataset.fetch import Arrival
from runner.dist import get_data_world_size

__all__ = ["Course", "Place", "read", "read_arrivals", "read_varying"]


@dataclass(slots=True)
class Place:
    """A place in an epoch, moved on batch by batch.

    Attributes:
        epoch: From 0; always 0 with an endless sampler.
        batch: The next batch's number.
        samples: What all ranks have been given, where batches vary; elsewhere it follows from `batch`.
        last: Samples of the last batch on all ranks, where batches vary.
        turn: The worker of an iterable data set that is next.
        counts: Batches that each such worker has given.
        states: The state of each such worker's data set.
        before: `turn`, and its worker's count and state, before the last batch; None before the first.
    """

    epoch: int = 0
    batch: int = 0
    samples: int = 0
    last: int = 0
    turn: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    states: dict[int, Any] = field(default_factory=dict)
    before: tuple[int, int, Any] | None = None

    def before_last(self) -> Place:
        """The place before the last batch was given; this one, where none was."""
        place = self.copy()
        if place.batch == 0:
            return place
        place.batch -= 1
        place.samples -= place.last
        if place.before is not None:
            place.turn, count, state = place.before
            place.counts[place.turn] = count
            if state is None:
                place.states.pop(place.turn, None)
            else:
                place.states[place.turn] = state
        return place

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
    world_size = get_data_world_size()
    for batch in source:
        place.batch += 1
        place.last = sizes.popleft() * world_size
        place.samples += place.last
        course.at = place
        yield batch
    course.next = course.at = Place(place.epoch + 1)


def read_arrivals(source: Iterator[Arrival], place: Place, course: Course, workers: int) -> Generator[Any, None, None]:
    """Hand on the batches of an iterable data set, and keep what it takes to go on after each."""
    world_size = get_data_world_size()
    for batch, size, worker, state in source:
        if size == 0:
            continue
        place.batch += 1
        place.last = size * world_size
        place.samples += place.last
        place.before = (worker, place.counts.get(worker, 0), place.states.get(worker))
        place.turn = (worker + 1) % workers
        place.counts[worker] = place.counts.get(worker, 0) + 1
        if state is not None:
            place.states[worker] = state
        course.at = place
        yield batch
    course.next = course.at = Place(place.epoch + 1)
