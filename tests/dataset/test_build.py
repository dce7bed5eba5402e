from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch
from noisy_data import SIZE, Noisy, Stream, equal, flat, indices
from torch.utils.data import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    default_collate,
)
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data.distributed import DistributedSampler

from runner.dataset import DataLoader, DefaultSampler, Head, build_dataloader, rebuild

# ---- from parts ------------------------------------------------------------------------------------------------------


def test_the_defaults_are_mmengines():
    loader = build_dataloader(Noisy(), seed=1, batch_size=2)
    batch = next(iter(loader))
    assert [len(field) for field in batch] == [2, 2], "pseudo_collate: a list of the batch's values for each field"
    assert isinstance(batch[0], (list, tuple))
    assert type(loader.sampler) is DefaultSampler


def test_a_sampler_made_from_the_data_set_and_the_seed():
    loader = build_dataloader(Noisy(), partial(DefaultSampler, shuffle=True), batch_size=2, seed=9)
    assert loader.sampler.seed == 9
    assert loader.sampler.dataset is loader.dataset


def test_a_batch_sampler_is_made_from_the_sampler():
    loader = build_dataloader(
        Noisy(),
        partial(DefaultSampler, shuffle=False),
        partial(BatchSampler, drop_last=True),
        batch_size=5,
        seed=1,
        collate_fn=default_collate,
    )
    assert indices(loader)[0] == [0, 1, 2, 3, 4]
    assert len(loader) == SIZE // 5


def test_num_batch_per_epoch_takes_the_head():
    loader = build_dataloader(
        Noisy(), partial(DefaultSampler, shuffle=True), batch_size=3, seed=1, num_batch_per_epoch=2,
        collate_fn=default_collate,
    )  # fmt: skip
    assert len(loader) == 2
    assert sorted(flat(indices(loader))) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(TypeError, match="as a function"):
        build_dataloader(Noisy(), DefaultSampler(Noisy()), seed=1, num_batch_per_epoch=2)


def test_a_head_shows_what_it_is_the_head_of():
    dataset = Noisy()
    dataset.metainfo = {"classes": ["a"]}
    head = Head(dataset, 5)
    assert (len(head), head.metainfo, len(Head(dataset, 1000))) == (5, {"classes": ["a"]}, SIZE)
    assert len(pickle.loads(pickle.dumps(head))) == 5
    assert len(head.__getitems__([1, 2])) == 2
    with pytest.raises(AttributeError):
        head.nothing  # noqa: B018 - looking it up is the test


def test_without_a_seed_one_is_drawn():
    assert build_dataloader(Noisy()).is_seeded


def test_workers_are_seeded_by_default():
    loader = build_dataloader(Noisy(), num_workers=1, seed=1, disable_subprocess_warning=True)
    assert loader.worker_init_fn.keywords["disable_subprocess_warning"]
    assert len(list(loader)) == SIZE


# ---- from a user's ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "sampling",
    [
        {"shuffle": True},
        {"shuffle": False},
        {"sampler": RandomSampler(range(SIZE), replacement=True, num_samples=30)},
        {"sampler": RandomSampler(range(SIZE), num_samples=8)},
        {"batch_sampler": BatchSampler(RandomSampler(range(SIZE)), 4, drop_last=True)},
        {"sampler": DistributedSampler(range(SIZE), num_replicas=2, rank=1, drop_last=True, seed=4)},
    ],
)
def test_rebuilt_loaders_can_be_resumed(sampling, workers):
    def build():
        batching = {} if "batch_sampler" in sampling else {"batch_size": 4, "drop_last": True}
        users = TorchDataLoader(Noisy(), num_workers=workers, **batching, **sampling)
        loader, exact = rebuild(users, seed=5)
        assert exact
        assert isinstance(loader, DataLoader)
        assert len(loader) == len(users)
        assert loader.dataset is users.dataset
        assert loader.drop_last
        return loader

    uninterrupted = build()
    expected = [list(uninterrupted) for _ in range(2)]
    assert not equal(indices(expected[0]), indices(expected[1])) or sampling == {"shuffle": False}
    saving = build()
    saving.seek(1, 4)
    loader = build()
    loader.load_state_dict(saving.state_dict())
    assert equal(list(loader), expected[1][1:])


def test_the_order_of_a_distributed_sampler_stays():
    sampler = DistributedSampler(range(SIZE), num_replicas=2, rank=1, seed=4)
    loader, _ = rebuild(TorchDataLoader(Noisy(), 4, sampler=sampler), seed=5)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        expected = list(sampler)
        assert flat(indices(loader)) == expected


def test_options_are_kept():
    users = TorchDataLoader(
        Noisy(), 4, num_workers=2, collate_fn=len, timeout=30, prefetch_factor=3, persistent_workers=True,
        multiprocessing_context="spawn", worker_init_fn=print,
    )  # fmt: skip
    loader, _ = rebuild(users, seed=5)
    for name in (
        "batch_size", "num_workers", "collate_fn", "timeout", "prefetch_factor", "persistent_workers", "worker_init_fn",
        "multiprocessing_context", "pin_memory", "drop_last",
    ):  # fmt: skip
        assert getattr(loader, name) == getattr(users, name), name


def test_iterable_data_and_loaders_without_batches():
    loader, exact = rebuild(TorchDataLoader(Stream(6), 4), seed=5)
    assert exact
    assert [len(batch) for batch in loader] == [4, 2]
    loader, exact = rebuild(TorchDataLoader(Noisy(), None, sampler=SequentialSampler(range(3))), seed=5)
    assert exact
    assert [int(sample[0][0]) for sample in loader] == [0, 1, 2]


class OwnLoader(TorchDataLoader):
    pass


@pytest.mark.parametrize(
    "build",
    [
        lambda: TorchDataLoader(Noisy(), sampler=SubsetRandomSampler([1, 2])),
        lambda: TorchDataLoader(Noisy(), batch_sampler=[[1, 2], [3]]),
        lambda: OwnLoader(Noisy()),
    ],
)
def test_others_are_used_as_they_are(build):
    users = build()
    assert rebuild(users, seed=5) == (users, False)


def test_our_own_takes_the_seed():
    loader = DataLoader(Noisy(), shuffle=True)
    assert rebuild(loader, seed=5) == (loader, True)
    assert (loader.seed, loader.sampler.seed) == (5, 5)


def test_pinning_is_quiet_where_there_is_nothing_to_pin_for():
    loader, _ = rebuild(TorchDataLoader(Noisy(), 4, pin_memory=True), seed=5)
    assert loader.pin_memory
    assert len(list(loader)) == len(loader)
    assert torch.is_tensor(next(iter(loader))[0])
