"""`initializer-without-layer`: an initializer that names nothing to fill."""

from __future__ import annotations

import pytest

from runner.config import compose
from runner.validation import check

MODEL = """\
model:
  type: ModuleAdapter
  loss: {{type: nn.MSELoss}}
  module: {{type: nn.Linear, in_features: 4, out_features: 2}}
  init_cfg: {}
"""


def problems(init_cfg):
    return [(each.code, each.path, each.severity) for each in check(compose("cfg.yaml", text=MODEL.format(init_cfg)))]


@pytest.mark.parametrize(
    ("init_cfg", "path"),
    [
        ("{type: Normal}", "model.init_cfg.type"),
        ("[{type: Xavier, layer: Linear}, {type: Constant, val: 1}]", "model.init_cfg.1.type"),
        ("{type: Kaiming, layer: []}", "model.init_cfg.type"),
    ],
)
def test_what_fills_nothing_is_a_warning(init_cfg, path):
    assert problems(init_cfg) == [("initializer-without-layer", path, "warning")]


@pytest.mark.parametrize(
    "init_cfg",
    [
        "null",
        "{type: Normal, layer: Linear}",
        "{type: Normal, override: {name: weight}}",
        "{type: Normal, override: {name: weight, type: Constant, val: 1}}",
        "{type: Pretrained, checkpoint: weights.pth}",
    ],
)
def test_what_fills_something_is_not(init_cfg):
    assert problems(init_cfg) == []


def test_a_misspelt_layer_is_one_mistake():
    assert problems("{type: Normal, layers: Linear}") == [("unknown-key", "model.init_cfg.layers", "error")]
