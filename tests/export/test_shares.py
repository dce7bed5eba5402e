"""The weights of a checkpoint in shares as one safetensors file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "strategy"))
from training import Net, train

from runner import Config
from runner.checkpoint import load
from runner.checkpoint.shares import RUN_FILE, read_weights
from runner.cli.app import run
from runner.errors import CheckpointError, DamagedCheckpoint
from runner.export import export_model, read_safetensors
from runner.registry import MODELS

CONFIG = """
custom_imports: {imports: [./net.py]}
model: {type: Plain}
"""
MODULE = """
from torch import nn
from runner.model import BaseModel
from runner.registry import MODELS

@MODELS.register_module()
class Plain(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(7, 7, bias=False), nn.BatchNorm1d(7), nn.Tanh(), nn.Dropout(0.2)) for _ in "ab"]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(7, 3)

    def forward(self, inputs, mode="tensor"):
        return self.head(self.blocks(inputs))
"""


@pytest.mark.world_size(1)
def test_one_file_whose_weights_were_never_held_twice(tmp_path):
    train(
        tmp_path, {"type": "FSDPStrategy", "state_dict_cfg": "sharded"}, train_cfg={"by_epoch": False, "max_iters": 1}
    )
    folder = tmp_path / "iter_1.pth"
    model = Net()
    ours = model.state_dict()
    places = {name: tensor.data_ptr() for name, tensor in ours.items()}
    weights = read_weights(folder, load(folder / RUN_FILE)["state_dict"], ours)
    expected = load(folder)["state_dict"]
    for name, parameter in model.named_parameters():
        assert weights[name].data_ptr() == places[name]
        assert torch.equal(parameter, expected[name])
    (tmp_path / "net.py").write_text(MODULE)
    (tmp_path / "c.yaml").write_text(CONFIG)
    out = tmp_path / "w.safetensors"
    assert run(["export", str(tmp_path / "c.yaml"), str(folder), "--weights", "--out", str(out)]) == 0
    got, texts = read_safetensors(out)
    assert texts["checkpoint"] == "iter_1.pth"
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in got)
    MODELS.register_module(name="Linear", module=torch.nn.Linear, force=True)
    with pytest.raises(CheckpointError, match="0 weights were loaded"):
        export_model(
            Config({"model": {"type": "Linear", "in_features": 7, "out_features": 3}}),
            str(folder),
            str(tmp_path / "other"),
            weights_only=True,
        )
    share = folder / "__0_0.distcp"
    share.write_bytes(share.read_bytes()[:-1])
    with pytest.raises(DamagedCheckpoint, match="__0_0"):
        read_weights(folder, load(folder / RUN_FILE)["state_dict"], ours)
