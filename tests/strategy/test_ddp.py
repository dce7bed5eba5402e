from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))
from training import assert_equal, build, parts, train

from runner import dist
from runner.checkpoint import load
from runner.dist.ddp import MMDistributedDataParallel, is_model_wrapper
from runner.dist.separate import MMSeparateDistributedDataParallel
from runner.errors import BuildError
from runner.flexible import FlexibleRunner

POWER = {"type": "powerSGD", "start_powerSGD_iter": 2, "min_compression_rate": 1}


def resumed_equals_straight_through(folder, strategy, last, **fields):
    runner = train(folder / "straight", strategy, **fields)
    assert isinstance(runner.model, MMDistributedDataParallel)
    train(folder / "resumed", strategy, resume=str(folder / "straight" / f"iter_{last - 2}.pth"), **fields)
    expected, got = (parts(load(folder / name / f"iter_{last}.pth")) for name in ("straight", "resumed"))
    assert_equal(got, expected)
    return runner, expected


@pytest.mark.parametrize("hook", ["fp16", POWER], ids=["fp16", "powerSGD"])
@pytest.mark.world_size(2)
def test_resumed_in_mid_epoch_equals_straight_through_bit_for_bit(tmp_path, hook):
    strategy = {"type": "DDPStrategy", "comm_hook": hook, "gradient_as_bucket_view": True, "bucket_cap_mb": 1e-4}
    runner, saved = resumed_equals_straight_through(tmp_path, strategy, 6)
    assert runner.model.gradient_as_bucket_view
    if hook == POWER:
        memory = [of_rank["strategy"]["compression"] for of_rank in saved["ranks"]]
        assert len(memory[0]["error"]) > 1
        assert not torch.equal(*(each["error"][0] for each in memory))


@pytest.mark.slow
@pytest.mark.world_size(4, timeout=300)
def test_on_four_ranks_where_sums_depend_on_the_buckets(tmp_path):
    strategy = {"type": "DDPStrategy", "comm_hook": POWER}
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}, "logger": None}
    resumed_equals_straight_through(tmp_path, strategy, 6, batch=2, default_hooks=hooks)


@pytest.mark.world_size(1)
def test_options_go_into_the_wrapper_that_is_named(tmp_path):
    runner = build(
        tmp_path,
        {"type": "DDPStrategy", "model_wrapper": {"detect_anomalous_params": True}, "static_graph": True},
    )
    assert runner.model.detect_anomalous_params
    assert runner.model.static_graph
    said = []
    runner.strategy._warn = said.append
    runner.strategy.load_state_dict({"order": [["head.weight"]], "compression": {"iter": 3}})
    assert "packed otherwise than in the saved run" in said[0]
    runner.close()
    with pytest.raises(BuildError, match="fp16 has no options; remove random_seed"):
        build(tmp_path, {"type": "DDPStrategy", "comm_hook": {"type": "fp16", "random_seed": 1}})


@pytest.mark.world_size(2)
def test_parts_that_are_wrapped_by_themselves_keep_their_names():
    class Gan(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = nn.Linear(2, 2)
            self.critic = nn.Linear(2, 1)
            self.activation = nn.Tanh()

        def train_step(self, data, optim_wrapper):
            loss = self.critic(self.activation(self.generator(data))).mean()
            optim_wrapper.zero_grad()
            loss.backward()
            optim_wrapper.step()
            return {"loss": loss}

    torch.manual_seed(dist.get_rank())
    names = list(Gan().state_dict())
    model = MMSeparateDistributedDataParallel(Gan(), device="cpu")
    assert is_model_wrapper(model)
    assert list(model.module.state_dict()) == names
    optimizer = torch.optim.SGD(model.module.critic.parameters(), lr=0.1)
    model.train_step(torch.full((3, 2), float(dist.get_rank())), optimizer)
    assert torch.equal(*dist.all_gather(model.module.critic.module.weight.detach()))
    other = MMSeparateDistributedDataParallel(Gan(), device="cpu")
    other.module.load_state_dict(model.module.state_dict())
    assert_equal(other.module.state_dict(), model.module.state_dict())
    with model.no_sync():
        assert not model.module.critic.require_backward_grad_sync


def test_flexible_runner_is_a_runner_with_mmengines_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = FlexibleRunner(nn.Linear(1, 1), strategy={"type": "SingleDeviceStrategy"}, device="cpu")
    assert Path(runner.work_dir) == tmp_path / "work_dirs"
    assert runner.launcher == "none"
    runner.close()
