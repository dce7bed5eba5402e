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


@pytest.mark.parametrize("hook", [None, "fp16"])
@pytest.mark.world_size(2)
def test_resumed_in_mid_epoch_equals_straight_through_bit_for_bit(tmp_path, hook):
    strategy = {"type": "DDPStrategy", "comm_hook": hook, "gradient_as_bucket_view": True}
    runner = train(tmp_path / "straight", strategy)
    assert isinstance(runner.model, MMDistributedDataParallel)
    assert runner.model.gradient_as_bucket_view
    train(tmp_path / "resumed", strategy, resume=str(tmp_path / "straight" / "iter_4.pth"))
    expected, got = (parts(load(tmp_path / name / "iter_6.pth")) for name in ("straight", "resumed"))
    assert_equal(got, expected)


@pytest.mark.world_size(1)
def test_options_go_into_the_wrapper_that_is_named(tmp_path):
    runner = build(
        tmp_path,
        {"type": "DDPStrategy", "model_wrapper": {"detect_anomalous_params": True}, "static_graph": True},
    )
    assert runner.model.detect_anomalous_params
    assert runner.model.static_graph
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
