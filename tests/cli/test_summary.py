"""`runner summary`: a model's size and cost, for a real sample."""

from __future__ import annotations

import json

import pytest

CONFIG = """
model:
  type: ModuleAdapter
  module:
    type: nn.Sequential
    modules: [{type: nn.Flatten}, {type: nn.Linear, in_features: 64, out_features: 10}]
  loss: {type: nn.CrossEntropyLoss}
"""
LOADER = """
val_dataloader:
  batch_size: 8
  dataset: {type: Digits, split: val}
  sampler: {type: DefaultSampler, shuffle: false}
  collate_fn: default_collate
val_cfg: {}
val_evaluator: {type: Accuracy}
"""


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "cfg.yaml").write_text(text)
        return "cfg.yaml"

    return write


def test_the_counts_of_a_sample(cli, cfg):
    done = cli("summary", cfg(CONFIG + LOADER), "--format", "json")
    found = json.loads(done.out)
    assert (done.code, found["parameters"], found["flops"], found["activations"]) == (0, 650, 640, 10)
    assert (found["loader"], found["batch_size"]) == ("val_dataloader", 1)
    linear = next(row for row in found["modules"] if row["name"] == "net.1")
    assert linear == {"name": "net.1", "parameters": 650, "flops": 640, "activations": 10}


def test_a_table_of_several_samples(cli, cfg):
    done = cli("summary", cfg(CONFIG + LOADER), "--batch-size", "4", "--max-depth", "1")
    assert done.code == 0
    assert "4 of val_dataloader: 2.56K FLOPs, 40 activations" in done.out
    assert "net.1" not in done.out
    assert "ModuleAdapter: 650 parameters, 650 of them trained" in done.out


def test_a_config_without_data_is_told_of(cli, cfg):
    done = cli("summary", cfg(CONFIG))
    assert done.code == 3
    assert "no samples to call the model with" in done.err


def test_a_mistake_in_the_config_is_told_of(cli, cfg):
    assert cli("summary", cfg(CONFIG.replace("in_features", "in_feature") + LOADER)).code == 1
