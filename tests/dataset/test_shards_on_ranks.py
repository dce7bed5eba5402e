"""A stream of tar shards on two ranks: each sample once, and a run that is resumed in mid-epoch is the run itself."""

from __future__ import annotations

import io
import tarfile

import pytest
import torch
from torch import nn

from runner import Runner
from runner.dataset import DataLoader
from runner.dist import all_gather_object
from runner.model import BaseModel

TarShards = pytest.importorskip("runner_streaming.dataset").TarShards
write_index = pytest.importorskip("runner_streaming.index").write_index

COUNTS = 9, 4, 1, 11
TOTAL, BATCH = sum(COUNTS), 3


@pytest.fixture
def shards(tmp_path):
    folder, number = tmp_path / "shards", 0
    folder.mkdir()
    for shard, count in enumerate(COUNTS):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for each in range(number, number + count):
                info = tarfile.TarInfo(f"{each:03d}.id")
                info.size = len(str(each))
                tar.addfile(info, io.BytesIO(str(each).encode()))
        number += count
    write_index(f"{folder}/*.tar", f"{folder}/index.json")
    return f"{folder}/index.json"


def noisy(number):
    return torch.randn(3) + number / TOTAL


def make(shards, workers=0, **kwargs):
    dataset = TarShards(shards, ["id"], shuffle=True, buffer=4, **kwargs)
    return DataLoader(dataset, BATCH, num_workers=workers, seed=3)


def numbers(batches):
    return [number for batch in batches for number in batch[0].tolist()]


@pytest.mark.world_size(2)
@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_share_the_samples_and_go_on_where_they_were(shards, workers):
    loader = make(shards, workers)
    epochs = [list(loader), list(loader)]
    for epoch in epochs:
        both = all_gather_object(numbers(epoch))
        assert [len(each) for each in both] == [13, 13]
        assert sorted(set(both[0] + both[1])) == list(range(TOTAL))
    assert [len(epoch) for epoch in epochs] == [len(loader)] * 2
    assert numbers(epochs[0]) != numbers(epochs[1])

    saving = make(shards, workers)
    list(saving)
    reader = iter(saving)
    next(reader), next(reader)
    resumed = make(shards, workers)
    assert resumed.load_state_dict(saving.state_dict()) == []
    assert str(list(resumed)) == str(epochs[1][2:])


@pytest.mark.world_size(2)
def test_in_an_evaluation_each_sample_counts_once(shards):
    both = all_gather_object(numbers(make(shards, round_up=False)))
    assert sorted(both[0] + both[1]) == list(range(TOTAL))


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))

    def forward(self, inputs, mode="tensor"):
        return {"loss": self.layer(inputs).square().mean()}


def train(shards, work_dir, resume=False):
    dataset = TarShards(shards, ["id"], transform=[noisy], shuffle=True, buffer=4)
    runner = Runner(
        model=Line(),
        work_dir=str(work_dir),
        train_dataloader={"dataset": dataset, "sampler": None, "batch_size": BATCH, "collate_fn": first_fields},
        train_cfg={"by_epoch": True, "max_epochs": 2},
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 0.1}},
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 1, "max_keep_ckpts": -1}
        },
        randomness={"seed": 1},
        resume=resume,
        launcher="pytorch",
        device="cpu",
        log_level="ERROR",
    )
    runner.train()
    runner.close()
    return [parameter.detach().clone() for parameter in runner.model.parameters()]


def first_fields(samples):
    return torch.stack([sample[0] for sample in samples])


@pytest.mark.parametrize("step", [2, 7])
@pytest.mark.world_size(2)
def test_a_training_resumed_in_mid_epoch_ends_with_the_same_weights(tmp_path, shards, step):
    expected = train(shards, tmp_path / "straight")
    found = train(shards, tmp_path / "resumed", str(tmp_path / "straight" / f"iter_{step}.pth"))
    assert all(map(torch.equal, found, expected))
