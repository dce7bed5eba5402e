"""Which samples of which shards each reader takes: a function of the pass, that all readers agree on without a word.

A reader is one worker of one rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runner.dataset import Reader, key
from runner_streaming.errors import ShardError
from runner_streaming.shards import Shard

__all__ = ["Segment", "share"]


class Segment(NamedTuple):
    """Samples of one shard that stand one after the other.

    Attributes:
        shard: Its number in the list.
        start: The first sample's number.
        stop: The number after the last sample's; None stands for the shard's end.
    """

    shard: int
    start: int = 0
    stop: int | None = None


def share(shards: Sequence[Shard], reader: Reader, *, shuffle: bool, endless: bool, round_up: bool) -> list[Segment]:
    """What a reader takes in a pass, in its order.

    Where all shards have counts, each rank takes as many samples as every other, and its workers take whole batches of
    them, so that ranks and workers make as many batches as the loader's length says. Otherwise readers take whole
    shards.

    Args:
        shards: All of them.
        reader: Whose share it is.
        shuffle: Whether the shards come in another order in each epoch.
        endless: Whether ranks may take different numbers of samples in a pass, since none waits for its end.
        round_up: Let ranks that would have a sample less take one of another's again.

    Raises:
        ShardError: Ranks would come out with different numbers of batches, or readers with no shard.
    """
    order = list(range(len(shards)))
    if shuffle:
        order.sort(key=lambda number: key(reader.seed, reader.epoch, 0, number, "shards"))
    counts = [shards[number].samples for number in order]
    known = [samples for samples in counts if samples is not None]
    if len(known) == len(order):
        ranges = _of_worker(_of_rank(sum(known), reader, round_up=round_up and not endless), reader)
        return _segments(order, known, ranges)
    readers = reader.world_size * reader.workers
    if reader.world_size > 1 and not endless:
        raise ShardError(
            f"{reader.world_size} ranks are to have as many batches each, and how many samples the shards hold is not known: "
            "write an index (python -m runner_streaming) and give it as `shards`, or train by iterations with `endless: true`"
        )
    if endless and len(shards) < readers:
        raise ShardError(
            f"{len(shards)} shards for {reader.world_size} x {reader.workers} readers, and none may go without: write more "
            "and smaller shards, take fewer workers, or give an index, by which shards are divided"
        )
    return [Segment(number) for number in order[reader.rank * reader.workers + reader.worker :: readers]]


def _of_rank(samples: int, reader: Reader, *, round_up: bool) -> list[range]:
    """A rank's samples, as numbers in the pass."""
    each, more = divmod(samples, reader.world_size)
    start = reader.rank * each + min(reader.rank, more)
    own = [range(start, start + each + (reader.rank < more))]
    if round_up and more and reader.rank >= more:
        again = (reader.rank - more) % samples
        own.append(range(again, again + 1))
    return own


def _of_worker(ranges: list[range], reader: Reader) -> list[range]:
    """A worker's part of them: whole batches, but for the one that comes last when workers take turns."""
    samples = sum(map(len, ranges))
    batches = math.ceil(samples / reader.batch_size)
    each, more = divmod(batches, reader.workers)
    last = (batches - 1) % reader.workers
    before = 0
    for worker in ((last + 1 + turn) % reader.workers for turn in range(reader.workers)):
        own = each + (worker < more)
        if worker == reader.worker:
            break
        before += own
    begin, end = before * reader.batch_size, min((before + own) * reader.batch_size, samples)
    found, passed = [], 0
    for part in ranges:
        found.append(part[max(0, begin - passed) : max(0, end - passed)])
        passed += len(part)
    return found


def _segments(order: list[int], counts: list[int], ranges: list[range]) -> list[Segment]:
    """Numbers in the pass as places in shards."""
    found = []
    for part in ranges:
        passed = 0
        for number, samples in zip(order, counts, strict=True):
            start, stop = max(part.start - passed, 0), min(part.stop - passed, samples)
            if start < stop:
                found.append(Segment(number, start, stop))
            passed += samples
    return found
