"""A checkpoint of four processes goes on with three, two and one, whatever the strategy."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
from torch import distributed

sys.path.append(str(Path(__file__).parent))
from test_fsdp import fsdp, losses_agree
from training import Net, assert_equal, build, train

from runner import Hook, dist
from runner.checkpoint import load
from runner.dist.sharding import gather

SAVED = 16
"""Samples that four ranks of two each have taken after two steps."""


class Loaded(Hook):
    """What training begins with."""

    def before_train(self, runner):
        state = {"state_dict": runner.unwrapped_model.state_dict(), "optimizer": runner.optim_wrapper.state_dict()}
        self.state = copy.deepcopy(gather(state, keep=True))
        self.samples = runner.train_dataloader.position.samples


def regroup(folder, ranks, rank):
    """Leave the group, and join one of the first ranks; whether this is one of them."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
    if rank >= ranks:
        return False
    if ranks > 1:
        distributed.init_process_group("gloo", f"file://{folder}/group{ranks}", rank=rank, world_size=ranks)
    return True


@pytest.mark.slow
@pytest.mark.world_size(4, timeout=400)
def test_what_four_saved_goes_on_with_three_two_and_one(tmp_path):
    fields = {"train_cfg": {"by_epoch": True, "max_epochs": 1}, "batch": 2}
    train(tmp_path / "four", fsdp(state_dict_cfg="sharded"), model=Net(0), **fields)
    rank, path = dist.get_rank(), tmp_path / "four" / "iter_2.pth"
    saved = load(path)
    # Three: the next whole batch of all is after 18 samples.
    for ranks, strategy, samples, steps in (
        (3, fsdp(state_dict_cfg="sharded"), 18, 4),
        (2, None, SAVED, 6),
        (1, None, SAVED, 12),
    ):
        if not regroup(tmp_path, ranks, rank):
            break
        loaded, said = Loaded(), []
        runner = build(tmp_path / str(ranks), strategy, model=Net(0), resume=str(path), custom_hooks=[loaded], **fields)
        runner.logger.warning = said.append
        runner.train()
        runner.close()
        assert_equal(loaded.state["state_dict"], dict(saved["state_dict"]))
        assert_equal(loaded.state["optimizer"]["state"], saved["optimizer"]["state"])
        assert loaded.samples == samples
        assert any("world_size: 4 ->" in each for each in said)
        assert any(f"after {samples} samples of epoch 0 where {SAVED} had been seen" in each for each in said)
        assert runner.iter == runner.max_iters == steps
    distributed.init_process_group("gloo", f"file://{tmp_path}/end", rank=rank, world_size=4)


@pytest.mark.slow
@pytest.mark.world_size(4, timeout=300)
def test_losses_on_four_ranks_are_those_of_one_process(tmp_path):
    losses_agree(tmp_path, (fsdp(), None), batch=2)
