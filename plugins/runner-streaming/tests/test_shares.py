from __future__ import annotations

import math
from collections import Counter
from itertools import product

import pytest

from runner.dataset import Reader
from runner_streaming.errors import ShardError
from runner_streaming.shards import Shard
from runner_streaming.shares import share

COUNTS = 7, 1, 12, 0, 5, 9, 3
TOTAL = sum(COUNTS)
SHARDS = [Shard(f"{number}.tar", count) for number, count in enumerate(COUNTS)]
UNKNOWN = [Shard(shard.url) for shard in SHARDS]


def readers(world_size, workers, batch_size=1, epoch=0):
    for rank, worker in product(range(world_size), range(workers)):
        yield Reader(3, epoch, rank, world_size, worker, workers, batch_size)


def taken(segments):
    return [(segment.shard, number) for segment in segments for number in range(segment.start, segment.stop)]


def shares(shards=SHARDS, *, shuffle=True, endless=False, round_up=False, **kwargs):
    return {
        (reader.rank, reader.worker): share(shards, reader, shuffle=shuffle, endless=endless, round_up=round_up)
        for reader in readers(**kwargs)
    }


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 4, 50])
class TestCounted:
    def test_each_sample_is_taken_once(self, world_size, workers, batch_size):
        found = shares(world_size=world_size, workers=workers, batch_size=batch_size)
        given = Counter(place for segments in found.values() for place in taken(segments))
        assert set(given.values()) == {1}
        assert len(given) == TOTAL

    def test_ranks_make_as_many_batches_and_the_short_one_comes_last(self, world_size, workers, batch_size):
        found = shares(world_size=world_size, workers=workers, batch_size=batch_size, round_up=True)
        each = math.ceil(TOTAL / world_size)
        for rank in range(world_size):
            sizes = [len(taken(found[rank, worker])) for worker in range(workers)]
            assert sum(sizes) == each
            batches = [math.ceil(size / batch_size) for size in sizes]
            assert sum(batches) == math.ceil(each / batch_size)
            # Workers take turns, so earlier ones have as many batches as later ones or one more.
            assert batches == sorted(batches, reverse=True)
            assert batches[0] - batches[-1] <= 1
            short = [worker for worker, size in enumerate(sizes) if size % batch_size]
            assert short in ([], [(sum(batches) - 1) % workers])

    def test_what_is_taken_again_is_less_than_one_for_each_rank(self, world_size, workers, batch_size):
        found = shares(world_size=world_size, workers=workers, batch_size=batch_size, round_up=True)
        given = Counter(place for segments in found.values() for place in taken(segments))
        assert len(given) == TOTAL
        assert given.total() - TOTAL == -TOTAL % world_size < world_size


def test_evaluation_deals_the_first_ranks_one_more():
    found = shares(world_size=4, workers=1)
    assert [len(taken(segments)) for segments in found.values()] == [10, 9, 9, 9]


@pytest.mark.parametrize("shards", [SHARDS, UNKNOWN])
def test_the_order_of_shards_follows_from_the_epoch(shards):
    def order(epoch, *, shuffle=True):
        (segments,) = shares(shards, world_size=1, workers=1, epoch=epoch, shuffle=shuffle).values()
        return [segment.shard for segment in segments]

    assert order(0) == order(0) != order(1)
    assert set(order(0)) == set(order(1))
    assert order(0, shuffle=False) == order(1, shuffle=False) == sorted(order(0))


def test_whole_shards_where_there_are_no_counts():
    found = shares(UNKNOWN, world_size=2, workers=2, endless=True)
    given = sorted(segment.shard for segments in found.values() for segment in segments)
    assert given == list(range(len(SHARDS)))
    assert all(segment[1:] == (0, None) for segments in found.values() for segment in segments)
    alone = shares(UNKNOWN, world_size=1, workers=9)
    assert sorted(len(segments) for segments in alone.values()) == [0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_ranks_that_would_not_come_out_even_are_an_error():
    with pytest.raises(ShardError, match=r"2 ranks are to have as many batches.*write an index"):
        shares(UNKNOWN, world_size=2, workers=1)
    with pytest.raises(ShardError, match="7 shards for 2 x 4 readers"):
        shares(UNKNOWN, world_size=2, workers=4, endless=True)
    assert len(shares(SHARDS, world_size=2, workers=4, endless=True)) == 8
