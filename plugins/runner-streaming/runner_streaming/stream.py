"""One reader's way through its share of the shards, sample by sample, with a position after each."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from runner.dataset import Reader, key
from runner_streaming.errors import ShardError
from runner_streaming.records import Record, records, records_at
from runner_streaming.shards import Shard, digest
from runner_streaming.shares import Segment, share

__all__ = ["Order", "Stream", "StreamState"]


class StreamState(TypedDict):
    """Where a reader stands.

    Attributes:
        shards: What tells the list of shards from another.
        turn: Passes that are over, where the stream has no end.
        segment: The part of the share that is being read.
        number: The next sample's number in its shard.
        offset: The byte at which it begins; 0 where the part was not begun.
        given: Samples of the pass that were handed out.
        waiting: The samples that wait in the buffer: the shard's number and the byte of each, one after the other.
    """

    shards: str
    turn: int
    segment: int
    number: int
    offset: int
    given: int
    waiting: list[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """In which order samples come.

    Attributes:
        shuffle: Shards in another order in each pass, and samples through a buffer.
        buffer: Samples that wait in it.
        endless: Whether pass follows pass.
        round_up: Whether ranks that would have a sample less in a pass take one again.
    """

    shuffle: bool
    buffer: int
    endless: bool
    round_up: bool


class Stream:
    """The samples of a reader.

    A sample that leaves the buffer is drawn by (seed, pass, reader, number), so the position is all there is to save.

    Args:
        shards: All of them.
        reader: Whose samples they are.
        order: In which they come.
        state: Where to go on; None for the beginning.

    Raises:
        ShardError: The state is of other shards.
    """

    def __init__(self, shards: Sequence[Shard], reader: Reader, order: Order, state: StreamState | None = None) -> None:
        self._shards, self._reader, self._order = shards, reader, order
        self._digest = digest(shards)
        self._turn = self._segment = self._number = self._offset = self._given = 0
        self._waiting: list[tuple[int, Record]] = []
        if state is not None:
            self._load(state)

    def state_dict(self) -> StreamState:
        """Where the reader stands, as plain data."""
        return {
            "shards": self._digest,
            "turn": self._turn,
            "segment": self._segment,
            "number": self._number,
            "offset": self._offset,
            "given": self._given,
            "waiting": [value for number, record in self._waiting for value in (number, record.offset)],
        }

    def _load(self, state: StreamState) -> None:
        if state["shards"] != self._digest:
            raise ShardError(
                f"the run was saved with other shards than these {len(self._shards)}, so its place among them is not known; "
                "give the same ones (their folder may be another), or begin a new run with --load-from"
            )
        self._turn, self._segment, self._given = state["turn"], state["segment"], state["given"]
        self._number, self._offset = state["number"], state["offset"]
        waiting = list(zip(state["waiting"][::2], state["waiting"][1::2], strict=True))
        of_shard = defaultdict[int, list[int]](list)
        for number, offset in waiting:
            of_shard[number].append(offset)
        found = {number: iter(records_at(self._shards[number].url, offsets)) for number, offsets in of_shard.items()}
        self._waiting = [(number, next(found[number])) for number, _ in waiting]

    def __iter__(self) -> Iterator[Record]:
        while True:
            yield from self._pass()
            if not self._order.endless:
                return
            self._turn += 1
            self._segment = self._number = self._offset = self._given = 0

    def _pass(self) -> Iterator[Record]:
        order = self._order
        reader = self._reader._replace(epoch=self._reader.epoch + self._turn)
        segments = share(self._shards, reader, shuffle=order.shuffle, endless=order.endless, round_up=order.round_up)
        size = order.buffer if order.shuffle else 0
        for numbered in self._read(segments):
            self._waiting.append(numbered)
            if len(self._waiting) > size:
                yield self._drawn(reader)
        while self._waiting:
            yield self._drawn(reader)

    def _drawn(self, reader: Reader) -> Record:
        """The next sample, out of those that wait."""
        waiting = self._waiting
        place = 0
        if len(waiting) > 1:
            drawn = key(reader.seed, reader.epoch, reader.rank * reader.workers + reader.worker, self._given, "buffer")
            place = int.from_bytes(drawn[:8], "little") % len(waiting)
        self._given += 1
        waiting[place], waiting[-1] = waiting[-1], waiting[place]
        return waiting.pop()[1]

    def _read(self, segments: list[Segment]) -> Iterator[tuple[int, Record]]:
        """The samples in the order in which they lie; the position is behind each when it is handed on."""
        while self._segment < len(segments):
            segment = segments[self._segment]
            shard = self._shards[segment.shard]
            skip = 0
            if self._offset == 0:
                skip = self._number = segment.start
            with contextlib.closing(records(shard.url, self._offset, skip)) as samples:
                for record in samples:
                    self._number += 1
                    is_over = self._number == segment.stop or record.following is None
                    if is_over:
                        self._require_count(shard, segment, self._number, more=record.following is not None)
                        self._segment, self._number, self._offset = self._segment + 1, 0, 0
                    else:
                        self._offset = record.following or 0
                    yield segment.shard, record
                    if is_over:
                        break
                else:
                    self._require_count(shard, segment, self._number, more=False)
                    self._segment, self._number, self._offset = self._segment + 1, 0, 0

    @staticmethod
    def _require_count(shard: Shard, segment: Segment, number: int, *, more: bool) -> None:
        """See at the end of a segment that the shard holds what its index says."""
        told = shard.samples
        if segment.stop is None or told is None or (number == segment.stop and not (more and number == told)):
            return
        found = f"more than {told}" if more else f"no more than {number}"
        raise ShardError(
            f"{shard.url}: its index says that it holds {told} samples, and there are {found}; write the index again"
        )
