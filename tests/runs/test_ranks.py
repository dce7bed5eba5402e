"""Two processes: alike where they have to be, each with its own where they have not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from noisy_run import Model, assert_equal, fields, train
from torch import nn

from runner import Runner, dist
from runner.errors import BuildError, CheckpointError


class Drawn(Model):
    """Draws its weights when the run begins, each rank from generators of its own."""

    def init_weights(self) -> None:
        nn.init.constant_(self.body[0].weight, float(np.random.rand()))
        nn.init.normal_(self.body[4].weight)


@pytest.mark.world_size(2)
def test_ranks_begin_with_the_same_weights(tmp_path: Path) -> None:
    runner = Runner(**fields(tmp_path, model={"type": Drawn}, randomness={"seed": 3, "diff_rank_seed": True}))
    runner.prepare_training()
    first, second = dist.all_gather_object(runner.unwrapped_model.state_dict())
    assert_equal(second, first)


@pytest.mark.world_size(2)
def test_each_rank_goes_on_with_its_own_statistics(tmp_path: Path) -> None:
    def statistics(runner: Runner) -> dict[str, torch.Tensor]:
        return {name: buffer.clone() for name, buffer in runner.unwrapped_model.named_buffers()}

    straight, expected = train(tmp_path)
    means = dist.all_gather_object(straight.unwrapped_model.body[1].running_mean)
    assert not torch.equal(*means)
    resumed, got = train(tmp_path / "resumed", load_from=str(tmp_path / "iter_2.pth"), resume=True)
    assert got.steps == expected.steps[2:]
    assert got.validations == expected.validations
    assert_equal(statistics(resumed), statistics(straight))


@pytest.mark.world_size(2)
def test_ranks_that_find_different_checkpoints_do_not_begin(tmp_path: Path) -> None:
    train(tmp_path)
    own = tmp_path if dist.get_rank() == 0 else tmp_path / "of_another_machine"
    with pytest.raises(
        CheckpointError, match=r"rank 0: iter_\d+\.pth, rank 1: none\); all machines have to see the same"
    ):
        train(own, resume=True)


@pytest.mark.world_size(2)
def test_statistics_can_not_be_shared_on_a_cpu(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"sync_bn: .*GPU"):
        Runner(**fields(tmp_path, sync_bn="torch"))
