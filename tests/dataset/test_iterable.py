from __future__ import annotations

import pytest
import torch
from noisy_data import SIZE, StatefulStream, Stream, equal

from runner.dataset import DataLoader, Position, Reader
from runner.dist import get_rank

BATCH = 4
WORKERS = {
    "main": {},
    "workers": {"num_workers": 2},
    "persistent": {"num_workers": 2, "persistent_workers": True},
}
STREAMS = {"stateful": StatefulStream, "stateless": Stream}


def make(stream, workers="main", size=SIZE, **kwargs):
    return DataLoader(STREAMS[stream](size), BATCH, seed=3, **WORKERS[workers], **kwargs)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("workers", "batches"), [("main", 6), ("workers", 6), ("persistent", 6)])
@pytest.mark.parametrize("stop", [0, 1, 2, 3, 5, 6])
def test_what_is_left_is_what_would_have_come(stream, workers, batches, stop):
    uninterrupted = make(stream, workers)
    expected = [list(uninterrupted) for _ in range(2)]
    assert len(expected[0]) == batches
    assert not equal(expected[0], expected[1]), "epochs draw differently"

    saving = make(stream, workers)
    list(saving)
    reader = iter(saving)
    for _ in range(stop):
        next(reader)
    loader = make(stream, workers)
    notes = loader.load_state_dict(saving.state_dict())
    assert bool(notes) is (stream == "stateless" and stop > 0)
    assert all(f"{stop} batches are read again" in note for note in notes)
    assert loader.first_batch == stop
    assert equal(list(loader), expected[1][stop:])
    assert loader.position == Position(2, 0)


@pytest.mark.parametrize("workers", ["workers", "persistent"])
def test_a_worker_that_is_through_early(workers):
    """With 9 samples one of two workers has two batches and the other one: the turns stay as they were."""
    expected = list(make("stateful", workers, size=9))
    for stop in range(len(expected) + 1):
        saving = make("stateful", workers, size=9)
        reader = iter(saving)
        for _ in range(stop):
            next(reader)
        loader = make("stateful", workers, size=9)
        loader.load_state_dict(saving.state_dict())
        assert equal(list(loader), expected[stop:])


def test_main_process_and_one_worker_are_the_same():
    alone = DataLoader(StatefulStream(), BATCH, seed=3, num_workers=1)
    assert equal(list(alone), list(make("stateful")))


def test_another_number_of_workers_is_named():
    saving = make("stateful", "workers")
    next(iter(saving))
    loader = make("stateful")
    (note,) = loader.load_state_dict(saving.state_dict())
    assert "StatefulStream: 1 batches are read again" in note
    assert "states of 2 workers do not fit 1" in note
    assert len(list(loader)) == 5


def test_drop_last_and_single_samples():
    assert [len(batch) for batch in make("stateless", drop_last=True)] == [4] * 5
    single = DataLoader(Stream(3), None, seed=3)
    assert [int(sample[0]) for sample in single] == [0, 1, 2]
    assert single.position == Position(1, 0)


class Told(Stream):
    """Remembers what it is told before a pass."""

    def __init__(self, size=SIZE):
        super().__init__(size)
        self.told = []

    def set_epoch(self, epoch):
        self.told.append(epoch)

    def begin_pass(self, reader):
        self.told.append(reader)

    def __len__(self):
        return self.size


def test_a_data_set_is_told_which_pass_begins():
    loader = DataLoader(Told(), BATCH, seed=3)
    list(loader), next(iter(loader))
    readers = [
        Reader(seed=3, epoch=epoch, rank=0, world_size=1, worker=0, workers=1, batch_size=BATCH) for epoch in (0, 1)
    ]
    assert loader.dataset.told == [0, readers[0], 1, readers[1]]


def test_a_worker_is_told_which_it_is():
    class Telling(Told):
        def __iter__(self):
            reader = self.told[-1]
            yield torch.tensor([reader.epoch, reader.worker, reader.workers])

    loader = DataLoader(Telling(), BATCH, seed=3, num_workers=2, persistent_workers=True)
    for epoch in range(2):
        assert [batch.tolist() for batch in loader] == [[[epoch, worker, 2]] for worker in range(2)]


@pytest.mark.world_size(2)
@pytest.mark.parametrize(("drop_last", "batches"), [(False, 3), (True, 2)])
def test_the_length_is_of_all_ranks_together(drop_last, batches):
    loader = DataLoader(Told(21), BATCH, seed=3, drop_last=drop_last)
    assert len(loader) == batches
    next(iter(loader))
    assert loader.dataset.told[-1][2:4] == (get_rank(), 2)
