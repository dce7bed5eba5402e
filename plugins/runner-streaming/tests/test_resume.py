"""A run that is stopped anywhere goes on as if it had not been: once each sample, in the same batches."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch.utils.data import default_collate

from runner.dataset import DataLoader
from runner_streaming import records, stream
from runner_streaming.dataset import TarShards

COUNTS = 7, 1, 12, 5, 9, 3
TOTAL = sum(COUNTS)
WORKERS = {"main": 0, "workers": 2}


def drawing(value):
    """A transform that draws from all that is keyed."""
    return value, random.random(), float(torch.rand(()))


def make(shards, workers="main", batch_size=4, **kwargs):
    dataset = TarShards(shards, fields=["id"], transform=[drawing], **{"shuffle": True, "buffer": 6, **kwargs})
    return DataLoader(dataset, batch_size, num_workers=WORKERS[workers], seed=3, collate_fn=default_collate)


def ids(batches):
    return [number for batch in batches for number in batch[0][0].tolist()]


def equal(left, right):
    return str(left) == str(right)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_sample_once_in_as_many_batches_as_are_told(write_shards, workers, shuffle):
    loader = make(write_shards(*COUNTS), workers, shuffle=shuffle)
    first, second = list(loader), list(loader)
    assert len(first) == len(second) == len(loader) == -(-TOTAL // 4)
    assert len(first[-1][0][0]) == TOTAL % 4
    assert sorted(ids(first)) == sorted(ids(second)) == list(range(TOTAL))
    assert (ids(first) == ids(second)) is not shuffle
    assert shuffle or workers != "main" or ids(first) == list(range(TOTAL))


@pytest.mark.parametrize("stop", [0, 1, 2, 5, 9, 10])
@pytest.mark.parametrize("workers", ["main", "workers"])
@pytest.mark.parametrize("index", [True, False])
def test_what_is_left_is_what_would_have_come(write_shards, index, workers, stop):
    shards = write_shards(*COUNTS, index=index)
    whole = make(shards, workers)
    expected = [list(whole) for _ in range(2)]
    saving = make(shards, workers)
    list(saving)
    reader = iter(saving)
    for _ in range(min(stop, len(expected[1]))):
        next(reader)
    loader = make(shards, workers)
    assert loader.load_state_dict(saving.state_dict()) == []
    assert equal(list(loader), expected[1][stop:])


@pytest.mark.parametrize("workers", ["main", "workers"])
@pytest.mark.parametrize("index", [True, False])
def test_without_an_end(write_shards, index, workers):
    shards = write_shards(*COUNTS, index=index)

    def take(loader, batches):
        return [batch for _, batch in zip(range(batches), loader, strict=False)]

    expected = take(make(shards, workers, endless=True), 40)
    saving = make(shards, workers, endless=True)
    reader = iter(saving)
    take(reader, 25)
    loader = make(shards, workers, endless=True)
    assert loader.load_state_dict(saving.state_dict()) == []
    assert equal(take(loader, 15), expected[25:])
    if workers == "main":
        given = ids(expected)
        assert [sorted(given[start : start + TOTAL]) for start in (0, TOTAL, 2 * TOTAL)] == [list(range(TOTAL))] * 3
        assert given[:TOTAL] != given[TOTAL : 2 * TOTAL]


@pytest.mark.parametrize("workers", ["main", "workers"])
def test_a_look_at_a_batch_in_between_changes_nothing(write_shards, workers):
    shards = write_shards(*COUNTS)
    expected = list(make(shards, workers))
    saving = make(shards, workers)
    reader = iter(saving)
    next(reader)
    next(iter(saving))
    next(reader)
    loader = make(shards, workers)
    loader.load_state_dict(saving.state_dict())
    assert equal(list(loader), expected[2:])


def test_what_was_read_is_not_read_again_but_for_the_buffer(write_shards, monkeypatch):
    shards = write_shards(100, 100, 100)
    saving = make(shards, buffer=10)
    reader = iter(saving)
    for _ in range(60):
        next(reader)
    state = saving.state_dict()
    read = Counter()

    def counted(read_records):
        def reading(*args, **kwargs):
            for record in read_records(*args, **kwargs):
                read[record.key] += 1
                yield record

        return reading

    for name in ("records", "records_at"):
        monkeypatch.setattr(stream, name, counted(getattr(records, name)))
    loader = make(shards, buffer=10)
    loader.load_state_dict(state)
    rest = ids(loader)
    assert set(read.values()) == {1}
    assert sorted(int(key) for key in read) == sorted(rest)


def test_of_a_shard_only_what_is_left_is_touched(write_shards, monkeypatch):
    """The bytes before the place are not looked at, not even their headers."""
    shards = write_shards(50)
    saving = make(shards, shuffle=False)
    reader = iter(saving)
    for _ in range(10):
        next(reader)
    state = saving.state_dict()
    opened, offsets = records._opened, []
    monkeypatch.setattr(records, "_opened", lambda file, offset: offsets.append(offset) or opened(file, offset))
    loader = make(shards, shuffle=False)
    loader.load_state_dict(state)
    assert ids(loader) == list(range(40, 50))
    (offset,) = offsets
    assert offset > 40 * 2000


@pytest.mark.parametrize("compressed", [False, True])
def test_shards_elsewhere(write_shards, tmp_path, compressed):
    import gzip

    import fsspec

    write_shards(*COUNTS, index=False)
    system = fsspec.filesystem("memory")
    ending = "tar.gz" if compressed else "tar"
    for file in sorted((tmp_path / "shards").iterdir()):
        content = file.read_bytes()
        system.pipe(f"/{tmp_path.name}/{file.stem}.{ending}", gzip.compress(content) if compressed else content)
    there = f"memory://{tmp_path.name}/{{000..005}}.{ending}"
    here = make(f"{tmp_path}/shards/{{000..005}}.tar")
    expected = list(here)
    saving = make(there)
    reader = iter(saving)
    head = [next(reader) for _ in range(4)]
    loader = make(f"memory://{tmp_path.name}/*.{ending}")
    assert loader.dataset.shards[0].url.startswith("memory://")
    loader.load_state_dict(saving.state_dict())
    assert equal(head + list(loader), expected)


def test_other_shards_are_refused(write_shards, tmp_path):
    saving = make(write_shards(*COUNTS))
    next(iter(saving))
    loader = make(write_shards(*COUNTS, 3, folder=tmp_path / "more"))
    loader.load_state_dict(saving.state_dict())
    with pytest.raises(RuntimeError, match="saved with other shards"):
        list(loader)


def test_another_folder_is_no_other_shard(write_shards, tmp_path):
    expected = list(make(write_shards(*COUNTS)))
    saving = make(write_shards(*COUNTS))
    next(iter(saving))
    loader = make(write_shards(*COUNTS, folder=tmp_path / "moved"))
    loader.load_state_dict(saving.state_dict())
    assert equal(list(loader), expected[1:])


def test_another_number_of_workers_is_said(write_shards):
    shards = write_shards(*COUNTS)
    saving = make(shards, "workers")
    next(iter(saving))
    (note,) = make(shards).load_state_dict(saving.state_dict())
    assert "states of 2 workers do not fit 1" in note
    assert "some samples come twice in this epoch and some never" in note
