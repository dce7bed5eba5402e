from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from runner.dataset import DefaultSampler, InfiniteSampler


@pytest.fixture
def as_rank(monkeypatch):
    def become(rank, world_size):
        monkeypatch.setattr("runner.dataset.sampler.get_data_info", lambda: (rank, world_size))

    return become


def mmengine_default(size, rank, world_size, *, shuffle, seed, epoch, round_up):
    """The order that MMEngine documents for its DefaultSampler, written plainly."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed + epoch)).tolist()
    order = order if shuffle else list(range(size))
    total = math.ceil(size / world_size) * world_size if round_up else size
    return [order[place % size] for place in range(rank, total, world_size)]


def mmengine_infinite(size, *, shuffle, seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from (torch.randperm(size, generator=generator).tolist() if shuffle else range(size))


WORLDS = [(0, 1), (0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("round_up", [True, False])
@pytest.mark.parametrize("size", [1, 2, 10, 9000])
@pytest.mark.parametrize(("rank", "world_size"), WORLDS)
def test_default_sampler_has_mmengines_indices(as_rank, shuffle, round_up, size, rank, world_size):
    as_rank(rank, world_size)
    sampler = DefaultSampler(range(size), shuffle=shuffle, seed=7, round_up=round_up)
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        expected = mmengine_default(size, rank, world_size, shuffle=shuffle, seed=7, epoch=epoch, round_up=round_up)
        assert list(sampler) == expected
        assert len(sampler) == len(expected)


@pytest.mark.parametrize(("rank", "world_size"), WORLDS)
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 4, 9, 11, 12, 15])
def test_default_sampler_seeks_once(as_rank, rank, world_size, samples):
    as_rank(rank, world_size)
    sampler = DefaultSampler(range(11), seed=1)
    whole = list(sampler)
    sampler.seek(samples)
    seen = len(range(rank, samples, world_size))
    assert list(sampler) == whole[seen:]
    assert list(sampler) == whole


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize(("rank", "world_size"), WORLDS)
def test_infinite_sampler_has_mmengines_indices(as_rank, shuffle, size, rank, world_size):
    as_rank(rank, world_size)
    count = 20 + 3 * size
    stream = mmengine_infinite(size, shuffle=shuffle, seed=4)
    expected = list(itertools.islice(stream, rank, rank + count * world_size, world_size))
    sampler = InfiniteSampler(range(size), shuffle=shuffle, seed=4)
    assert list(itertools.islice(sampler, 5)) == expected[:5]
    assert list(itertools.islice(sampler, count - 5)) == expected[5:], "the next iteration goes on"
    assert len(sampler) == size
    for samples in (0, 1, 5, size, 2 * size + 1):
        sampler.seek(samples)
        seen = len(range(rank, samples, world_size))
        assert list(itertools.islice(sampler, 3)) == expected[seen : seen + 3]


def test_an_infinite_sampler_over_nothing_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        next(iter(InfiniteSampler([], seed=0)))


@pytest.mark.parametrize("sampler", [DefaultSampler, InfiniteSampler])
def test_without_a_seed_one_is_drawn(sampler):
    np.random.seed(3)
    first = sampler(range(4)).seed
    np.random.seed(3)
    assert sampler(range(4)).seed == first
