from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from noisy_data import SIZE, Noisy, Together, equal, flat, indices
from torch.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
    get_worker_info,
)
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from runner.dataset import DataLoader, DefaultSampler, InfiniteSampler, Position, order

BATCH = 4
BATCHES = -(-SIZE // BATCH)
EPOCHS = 2

WORKERS = {
    "main": {},
    "workers": {"num_workers": 2},
    "persistent": {"num_workers": 2, "persistent_workers": True},
    "prefetch": {"num_workers": 1, "prefetch_factor": 4},
}


class LengthsSampler(Sampler):
    """A batch sampler with batches of different sizes, shuffled by torch's global generator; knows no seek."""

    def __init__(self, sampler):
        self.sampler = sampler

    def __iter__(self):
        rest, size = list(self.sampler), 1
        while rest:
            yield rest[:size]
            rest, size = rest[size:], 1 + int(torch.randint(4, ()))

    def __len__(self):
        return SIZE


class Shuffled(DefaultSampler):
    """Overrides the order alone, by Python's generator, so that the inherited seek does not hold."""

    def __iter__(self):
        order = list(range(len(self.dataset)))
        random.shuffle(order)
        return iter(order)


class Late(LengthsSampler):
    """Draws only far into the epoch, from Python's generator."""

    def __iter__(self):
        for batch, index in enumerate(self.sampler):
            yield [index, index] if batch > 1 and random.random() < 0.5 else [index]


class Counting(BatchSampler):
    """Changes its length alone."""

    def __len__(self):
        return 7


class Tail(Sampler):
    """Knows how to go somewhere."""

    def __init__(self):
        self.start = 0
        self.sought = []

    def __iter__(self):
        return iter(range(self.start, SIZE))

    def __len__(self):
        return SIZE

    def seek(self, samples):
        self.sought.append(samples)
        self.start = samples


SAMPLERS = {
    "shuffled": lambda: {"sampler": DefaultSampler(range(SIZE), seed=5), "batch_size": BATCH},
    "in turn": lambda: {"sampler": DefaultSampler(range(SIZE), shuffle=False), "batch_size": BATCH},
    "torch's": lambda: {"sampler": SequentialSampler(range(SIZE)), "batch_size": BATCH, "drop_last": True},
    "weighted": lambda: {"sampler": WeightedRandomSampler([1.0] * SIZE, SIZE), "batch_size": BATCH},
    "own generator": lambda: {
        "sampler": WeightedRandomSampler([1.0] * SIZE, SIZE, generator=torch.Generator()),
        "batch_size": BATCH,
    },
    "python's": lambda: {"sampler": Shuffled(range(SIZE)), "batch_size": BATCH},
    "lengths": lambda: {"batch_sampler": LengthsSampler(DefaultSampler(range(SIZE), seed=5))},
    "late": lambda: {"batch_sampler": Late(DefaultSampler(range(SIZE), seed=5))},
    "given": lambda: {"batch_sampler": BatchSampler(RandomSampler(range(SIZE)), BATCH, drop_last=False)},
    "counting": lambda: {"batch_sampler": Counting(DefaultSampler(range(SIZE), seed=5), BATCH, drop_last=False)},
    "seeks": lambda: {"sampler": Tail(), "batch_size": BATCH},
    "single": lambda: {"sampler": DefaultSampler(range(SIZE), seed=5), "batch_size": None},
}


def make(sampling="shuffled", dataset=None, **kwargs):
    return DataLoader(dataset or Noisy(), seed=3, **SAMPLERS[sampling](), **kwargs)


@pytest.fixture(scope="module")
def whole():
    """What each way of sampling gives, uninterrupted, in the main process."""
    return {sampling: [list(loader) for _ in range(EPOCHS)] for sampling in SAMPLERS for loader in [make(sampling)]}


@pytest.fixture(autouse=True)
def _scrambled():
    """No test may depend on what the generators held."""
    for draw in (random.seed, np.random.seed, torch.manual_seed):
        draw(random.SystemRandom().randrange(2**32))


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_who_reads_changes_nothing(whole, sampling, workers):
    loader = make(sampling, **WORKERS[workers])
    for epoch in range(EPOCHS):
        assert equal(list(loader), whole[sampling][epoch])
    assert loader.position == Position(EPOCHS, 0)


def stop_after(loader, epoch, batches):
    """Go through whole epochs and some batches of the next, drawing in between, and save."""
    for _ in range(epoch):
        list(loader)
    reader = iter(loader)
    for _ in range(batches):
        next(reader)
        random.random()
        np.random.rand()
        torch.rand(3)
    return loader.state_dict()


@pytest.mark.parametrize("workers", ["main", "workers", "persistent"])
@pytest.mark.parametrize("stop", range(BATCHES + 1))
@pytest.mark.parametrize("sampling", ["shuffled", "in turn"])
def test_what_is_left_is_what_would_have_come(whole, sampling, workers, stop):
    state = stop_after(make(sampling, **WORKERS[workers]), 1, stop)
    loader = make(sampling, **WORKERS[workers])
    assert loader.load_state_dict(state) == []
    assert loader.first_batch == stop
    assert loader.position == Position(1, stop * BATCH)
    assert equal(list(loader), whole[sampling][1][stop:])
    assert loader.position == Position(2, 0)


@pytest.mark.parametrize("sampling", SAMPLERS)
@pytest.mark.parametrize(("saved_by", "resumed_by"), [("main", "workers"), ("persistent", "main"), ("main", "main")])
def test_any_sampler_any_change_of_workers(whole, sampling, saved_by, resumed_by):
    state = stop_after(make(sampling, **WORKERS[saved_by]), 1, 3)
    loader = make(sampling, **WORKERS[resumed_by])
    assert loader.load_state_dict(state) == []
    assert equal(list(loader), whole[sampling][1][3:])


def test_torchs_loader_in_the_main_process_as_for_pinned_memory(whole):
    loader = make()
    loader._pool._is_bare = False
    assert equal([list(loader) for _ in range(EPOCHS)], whole["shuffled"])


@pytest.mark.slow
def test_spawned_workers(whole):
    loader = make(num_workers=2, multiprocessing_context="spawn", persistent_workers=True)
    loader.seek(1, 8)
    assert equal(list(loader), whole["shuffled"][1][2:])


def test_skipping_reads_no_data():
    class Counted(Noisy):
        read = 0

        def __getitem__(self, index):
            Counted.read += 1
            return super().__getitem__(index)

    for sampling in ("shuffled", "weighted", "lengths"):
        loader = make(sampling, Counted())
        state = stop_after(loader, 0, 4)
        Counted.read = 0
        again = make(sampling, Counted())
        again.load_state_dict(state)
        next(iter(again))
        assert Counted.read <= BATCH


@pytest.mark.parametrize("kind", [BatchSampler, Counting])
def test_batches_that_torch_makes_are_sought_by_their_sampler(kind):
    batches = kind(Tail(), BATCH, drop_last=False)
    loader = DataLoader(Noisy(), batch_sampler=batches, seed=3)
    loader.seek(0, 3 * BATCH)
    assert indices(loader)[0][0] == 3 * BATCH
    assert batches.sampler.sought == [3 * BATCH]


def test_a_sampler_that_draws_nothing_is_skipped_without_setting_generators(monkeypatch):
    batches = 5000
    calls = []
    for name in ("seed_generators", "key_generators"):
        seed = getattr(order, name)
        monkeypatch.setattr(order, name, lambda given, seed=seed: calls.append(given) or seed(given))
    loader = DataLoader(range(batches), batch_sampler=[[index] for index in range(batches)], seed=3)
    loader.load_state_dict({**loader.state_dict(), "batch": batches - 1})
    assert [batch.tolist() for batch in loader] == [[batches - 1]]
    assert len(calls) < 10


def test_a_sampler_with_seek_is_asked():
    loader = make("seeks")
    loader.seek(0, 3 * BATCH)
    assert indices(loader)[0][0] == 3 * BATCH
    assert loader.sampler.sought == [3 * BATCH]


def test_samples_are_read_together_where_the_data_set_can(whole):
    assert equal(list(make(dataset=Together())), whole["shuffled"][0])
    assert equal(list(make(dataset=Together(), num_workers=2)), whole["shuffled"][0])


# ---- epochs ----------------------------------------------------------------------------------------------------------


def test_each_iteration_is_the_next_epoch_unless_told(whole):
    loader = make()
    next(iter(loader))
    assert equal(list(loader), whole["shuffled"][1]), "a pass that is broken off counts"
    loader.set_epoch(0)
    assert equal(list(loader), whole["shuffled"][0])
    loader.seek(1, 8)
    loader.set_epoch(1)
    assert loader.first_batch == 2, "set_epoch of the epoch that was sought leaves the place alone"
    loader.set_epoch(0)
    assert loader.first_batch == 0


def test_the_position_follows_what_was_given():
    loader = make()
    positions = [loader.position for _ in loader]
    assert positions == [Position(0, BATCH * number) for number in range(1, BATCHES + 1)]
    assert loader.position == Position(1, 0)


@pytest.mark.parametrize("workers", ["main", "workers", "persistent"])
def test_a_look_at_a_batch_in_mid_epoch_disturbs_nothing(whole, workers):
    loader = make(**WORKERS[workers])
    seen = []
    for number, batch in enumerate(loader):
        seen.append(batch)
        if number == 2:
            next(iter(loader))
    assert equal(seen, whole["shuffled"][0])
    assert loader.position == Position(1, 0)
    assert equal(list(loader), whole["shuffled"][1])


def test_an_epoch_that_a_loop_ends_early():
    loader = make()
    next(iter(loader))
    assert loader.state_dict()["epoch"] == 0
    state = loader.state_dict(finished_epoch=True)
    assert (state["epoch"], state["samples"], state["batch"]) == (1, 0, 0)


# ---- endless samplers ------------------------------------------------------------------------------------------------


def endless(**kwargs):
    return DataLoader(Noisy(10), BATCH, sampler=InfiniteSampler(range(10), seed=2), seed=3, **kwargs)


def take(loader, count):
    reader = iter(loader)
    return [next(reader) for _ in range(count)]


@pytest.mark.parametrize("workers", ["main", "workers", "persistent"])
@pytest.mark.parametrize("stop", [0, 1, 2, 3, 5, 6])
def test_endless_samplers_count_passes(workers, stop):
    expected = take(endless(), 9)
    saving = endless(**WORKERS[workers])
    take(saving, stop)
    saving.set_epoch(4)  # nothing to them
    assert saving.position == Position(*divmod(stop * BATCH, 10))
    loader = endless(**WORKERS[workers])
    loader.load_state_dict(saving.state_dict())
    assert loader.position == saving.position
    assert loader.first_batch == stop
    assert equal(take(loader, 9 - stop), expected[stop:])
    assert equal(take(saving, 9 - stop), expected[stop:]), "the next iter() goes on"


# ---- another world ---------------------------------------------------------------------------------------------------


def test_another_world_size_goes_on_at_the_next_whole_batch():
    loader = make()
    state = {"epoch": 1, "samples": 9, "batch": 3, "batch_size": 3, "world_size": 1, "workers": None}
    (note,) = loader.load_state_dict(state)
    assert "1 x 3 samples" in note
    assert "after 12 samples of epoch 1 where 9 had been seen" in note
    assert (loader.first_batch, loader.position) == (3, Position(1, 12))


@pytest.mark.world_size(2)
def test_two_ranks_share_the_samples_and_draw_differently():
    from runner import dist

    loader = DataLoader(Noisy(20), 2, shuffle=True, seed=3)
    batches = list(loader)
    seen = dist.all_gather_object(flat(indices(batches)))
    assert sorted(seen[0] + seen[1]) == list(range(20))
    drawn = dist.all_gather_object([batch[1] for batch in batches])
    assert not equal(drawn[0], drawn[1])
    state = {"epoch": 0, "samples": 6, "batch": 3, "batch_size": 2, "world_size": 1, "workers": None}
    assert len(loader.load_state_dict(state)) == 1
    assert loader.position == Position(0, 8), "the next whole batch of two ranks with 2 samples each"
    assert equal(list(loader), batches[2:])


# ---- what a torch loader is known by ---------------------------------------------------------------------------------


def test_it_looks_like_torchs():
    dataset = Noisy()
    sampler = DefaultSampler(dataset, seed=0)
    loader = DataLoader(dataset, BATCH, sampler=sampler, drop_last=True, num_workers=0)
    assert loader.dataset is dataset
    assert loader.sampler is sampler
    assert type(loader.batch_sampler) is BatchSampler
    assert (loader.batch_size, loader.drop_last, len(loader)) == (BATCH, True, SIZE // BATCH)
    assert len(list(loader)) == len(loader)


def test_the_training_stream_is_not_touched():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    for workers in WORKERS.values():
        for sampling in ("shuffled", "weighted"):
            list(make(sampling, **workers))
    assert torch.equal(torch.rand(4), expected)


def test_it_is_put_back_when_a_sample_cannot_be_read():
    class Broken(Noisy):
        def __getitem__(self, index):
            torch.rand(1)
            raise OSError(f"sample {index} is gone")

    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with pytest.raises(OSError, match="is gone"):
        list(make(dataset=Broken()))
    assert torch.equal(torch.rand(4), expected)


def note_worker(worker_id, prefix):
    get_worker_info().dataset.note = f"{prefix} {worker_id}"


class Noted(Noisy):
    note = None

    def __getitem__(self, index):
        return self.note


def test_worker_init_fn_reaches_the_users_data_set():
    loader = make(
        "in turn", Noted(), num_workers=2, worker_init_fn=partial(note_worker, prefix="worker"), collate_fn=set
    )
    assert list(loader)[:2] == [{"worker 0"}, {"worker 1"}]


def test_batches_out_of_order_are_refused():
    with pytest.raises(ValueError, match="in_order"):
        make(in_order=False)


def test_the_seed_is_the_runners_where_none_was_given():
    given, not_given = make(), DataLoader(Noisy(), BATCH, shuffle=True)
    for loader in (given, not_given):
        loader.reseed(3)
    assert equal(list(not_given), list(DataLoader(Noisy(), BATCH, shuffle=True, seed=3)))
    not_given.reseed(4)
    assert not_given.seed == 3


def test_workers_end_with_the_loader():
    loader = make(num_workers=1, persistent_workers=True)
    reader = iter(loader)
    next(reader)
    (worker,) = loader._pool._inner._iterator._workers
    del reader, loader
    gc.collect()
    worker.join(10)
    assert not worker.is_alive()


def test_a_worker_that_is_killed_while_its_batch_is_under_way_is_said_so(monkeypatch):
    def get(iterator, *_):
        os.kill(iterator._workers[0].pid, signal.SIGKILL)
        raise ConnectionResetError("while a batch's memory was handed over")

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "_try_get_data", get)
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid \d+\) is killed by signal: Killed"):
        next(iter(DataLoader(Noisy(), BATCH, num_workers=1)))


def test_a_profiler_sees_each_batch_of_workers():
    alone = flat(DataLoader(Noisy(), BATCH, num_workers=1, seed=3))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        seen = flat(DataLoader(Noisy(), BATCH, num_workers=1, seed=3))
    assert equal(seen, alone)
    (record,) = (each for each in profile.key_averages() if each.key.startswith("enumerate(DataLoader)"))
    assert record.count >= len(DataLoader(Noisy(), BATCH))


def test_workers_end_when_the_batches_are_let_go():
    before = set(multiprocessing.active_children())
    batches = iter(DataLoader(Noisy(), BATCH, num_workers=1))
    next(batches)
    assert set(multiprocessing.active_children()) - before
    gc.disable()  # by their references alone
    try:
        del batches
        assert not set(multiprocessing.active_children()) - before
    finally:
        gc.enable()


LEAVES_WORKERS = """
from torch.utils.data import TensorDataset
import torch
from runner.dataset import DataLoader

batches = iter(DataLoader(TensorDataset(torch.zeros(64, 1)), 1, num_workers=2))
next(batches)
"""


def test_a_process_that_exits_amid_a_pass_says_nothing():
    call = [sys.executable, "-c", LEAVES_WORKERS]
    done = subprocess.run(call, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_else_goes_wrong_between_the_processes_is_not_taken_for_that(monkeypatch):
    def get(*_):
        raise EOFError("for another reason")

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "_try_get_data", get)
    with pytest.raises(EOFError, match="for another reason"):
        next(iter(DataLoader(Noisy(), BATCH, num_workers=1)))
