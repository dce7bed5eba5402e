from __future__ import annotations

import itertools

import pytest
from annotated import Sized, take
from noisy_data import Noisy, flat

from runner.dataset import DataLoader, DefaultSampler, GroupedBatchSampler, InfiniteSampler, pseudo_collate

BATCH = 4


def numbers(batches):
    return [[int(sample[0]) for sample in batch] for batch in batches]


def make(order=DefaultSampler, **kwargs):
    dataset = Sized(pipeline=[take])
    grouped = GroupedBatchSampler(order(dataset, seed=1), BATCH, **{"key": "length", "boundaries": [3, 6], **kwargs})
    return DataLoader(dataset, batch_sampler=grouped, seed=1, collate_fn=pseudo_collate)


def test_batches_are_of_one_group_but_for_the_rest():
    loader = make()
    batches = numbers(loader)
    groups = [{(number * 7 % 10 >= 3) + (number * 7 % 10 >= 6) for number in batch} for batch in batches]
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 3]
    assert sorted(flat(batches)) == list(range(Sized.size))
    assert len(loader) == 6
    mixed = [number for number, found in enumerate(groups) if len(found) > 1]
    assert all(number >= 3 for number in mixed), "three groups leave at most three batches' worth"
    assert len(list(make(drop_last=True))) == len(make(drop_last=True)) == 5


def test_two_keys_are_compared_by_their_ratio():
    """As MMDetection's sampler does it, written down."""
    dataset = Sized()
    expected, buckets = [], ([], [])
    for index in DefaultSampler(dataset, seed=1):
        info = dataset.get_data_info(index)
        bucket = buckets[0 if info["width"] < info["height"] else 1]
        bucket.append(index)
        if len(bucket) == BATCH:
            expected.append(bucket[:])
            bucket.clear()
    rest = buckets[0] + buckets[1]
    expected += [rest[first : first + BATCH] for first in range(0, len(rest), BATCH)]
    assert numbers(make(key=["width", "height"], boundaries=[1.0])) == expected


@pytest.mark.parametrize("order", [DefaultSampler, InfiniteSampler])
@pytest.mark.parametrize("stop", [1, 4, 9])
def test_resumed(order, stop):
    def read(loader):
        while True:
            yield from loader

    expected = numbers(itertools.islice(read(make(order)), 14))
    saving = make(order)
    reader = read(saving)
    assert numbers(next(reader) for _ in range(stop)) == expected[:stop]
    loader = make(order)
    loader.load_state_dict(saving.state_dict())
    assert numbers(itertools.islice(read(loader), 14 - stop)) == expected[stop:]


def test_an_endless_one_is_looked_at_twice():
    loader = make(InfiniteSampler)
    first = numbers(itertools.islice(loader, 3))
    assert first + numbers(itertools.islice(loader, 3)) == numbers(itertools.islice(make(InfiniteSampler), 6))


def test_what_can_not_be_grouped():
    with pytest.raises(ValueError, match="do not rise"):
        make(boundaries=[3, 3])
    with pytest.raises(KeyError, match="sample 0 has no 'size'; it has 'number', 'length'"):
        list(GroupedBatchSampler(DefaultSampler(Sized(), shuffle=False), BATCH, key="size", boundaries=[1]))
    with pytest.raises(AttributeError, match="get_data_info"):
        list(GroupedBatchSampler(DefaultSampler(Noisy()), BATCH, key="size", boundaries=[1]))
