"""What each rank keeps for a resume goes to rank 0, which writes it, and to no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from runner import Hook, dist
from runner.checkpoint import load

sys.path.append(str(Path(__file__).parents[1] / "hooks"))
from line_run import line, loader

unpacked = []


def unpack(kept):
    unpacked.append(kept)
    return kept


class Parcel:
    """A rank's own state, which notes who unpacks it."""

    def __reduce__(self):
        return unpack, (torch.full((2,), float(dist.get_rank())),)


class Ranks(Hook):
    """The ranks that the checkpoint tells of, here."""

    def __init__(self):
        self.counts = []

    def before_save_checkpoint(self, runner, checkpoint):
        self.counts.append(len(checkpoint["ranks"]))


@pytest.mark.world_size(2)
def test_rank_0_alone_is_sent_what_the_others_keep(tmp_path, monkeypatch):
    runner = line(tmp_path, max_epochs=1, launcher="pytorch", train_dataloader=loader(8))
    monkeypatch.setattr(runner.strategy, "state_dict", lambda: {"kept": Parcel()})
    runner.train()
    assert [kept.tolist() for kept in unpacked] == ([[0.0, 0.0], [1.0, 1.0]] if runner.rank == 0 else [])
    saved = load(tmp_path / "epoch_1.pth")["ranks"]
    assert [each["strategy"]["kept"].tolist() for each in saved] == [[0.0, 0.0], [1.0, 1.0]]
    # Its buffer counts in twos on the second rank; the first one's is among the weights.
    assert ["buffers" in each for each in saved] == [False, True]
    runner.close()


@pytest.mark.world_size(2)
def test_also_where_all_ranks_make_a_checkpoint(tmp_path):
    ranks = Ranks()
    strategy = {"type": "FSDPStrategy", "state_dict_cfg": "full"}
    runner = line(tmp_path, ranks, max_epochs=1, launcher="pytorch", train_dataloader=loader(8), strategy=strategy)
    runner.train()
    assert ranks.counts == [2 if runner.rank == 0 else 1]
    assert len(load(tmp_path / "epoch_1.pth")["ranks"]) == 2
    runner.close()
