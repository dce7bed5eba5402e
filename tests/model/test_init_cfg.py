"""`init_cfg`: how it is handed over, what it fills, and what is said about it. The numbers: tests/mmengine/test_models.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from runner.build import Builder
from runner.config import Config
from runner.errors import BuildError, CheckpointError
from runner.logging import MMLogger
from runner.model import BaseInit, BaseModule, Sequential, initialize, update_init_info
from runner.registry import MODELS, WEIGHT_INITIALIZERS
from runner.validation import check


@pytest.fixture
def own_classes():
    from runner.plugin import PROCESS_ENTRIES

    before = list(PROCESS_ENTRIES)

    @MODELS.register_module()
    class Backbone(BaseModule):
        """Reads its `init_cfg`, as ported ones do.

        Args:
            depth: Its depth.
            init_cfg: Its initializers.
        """

        def __init__(self, depth: int, init_cfg: dict | list | None = None) -> None:
            super().__init__(init_cfg)
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(depth))

    @WEIGHT_INITIALIZERS.register_module()
    class Sevens(BaseInit):
        """Fills weights with sevens.

        Args:
            **kwargs: `bias`, `bias_prob`, `layer`.
        """

        def fill(self, module):
            nn.init.constant_(module.weight, 7)

    yield
    PROCESS_ENTRIES[:] = before


def test_a_class_is_handed_the_mapping_as_it_stands(own_classes):
    init_cfg = {"type": "Pretrained", "checkpoint": "weights.pth"}
    made = Builder().build("model", {"type": "Backbone", "depth": 1, "init_cfg": init_cfg})
    assert made.init_cfg == init_cfg
    assert made.init_cfg is not init_cfg
    assert "init_cfg={'type': 'Pretrained'" in repr(made)


def test_an_initializer_of_ones_own_is_validated_and_used(own_classes):
    cfg = {"type": "Backbone", "depth": 2, "init_cfg": {"type": "Sevens", "layer": "Linear"}}
    assert not check(Config({"model": cfg}))
    made = Builder().build("model", cfg)
    made.init_weights()
    assert all((layer.weight == 7).all() for layer in made.layers)
    (problem,) = check(Config({"model": {**cfg, "init_cfg": {"type": "Sevens", "layers": "Linear"}}}))
    assert (problem.code, problem.path, problem.suggestion) == ("unknown-key", "model.init_cfg.layers", "layer")


def test_what_a_parent_fills_its_children_fill_anew():
    inner = Sequential(nn.Linear(2, 2), init_cfg={"type": "Constant", "val": 2, "layer": "Linear"})
    outer = Sequential(nn.Linear(2, 2), inner, init_cfg={"type": "Constant", "val": 1, "layer": "Linear"})
    outer.init_weights()
    assert (outer[0].weight.unique().item(), inner[0].weight.unique().item()) == (1, 2)
    assert outer.is_init
    assert inner.is_init
    assert not hasattr(outer, "_params_init_info")


def test_a_module_that_is_initialized_stays_as_it_is(tmp_path):
    module = Sequential(nn.Linear(2, 2), init_cfg={"type": "Constant", "val": 1, "layer": "Linear"})
    module.is_init = True
    before = module[0].weight.clone()
    logger = MMLogger("again", log_file=str(tmp_path / "again.log"))
    with logger.current():
        module.init_weights()
    logger.close()
    assert torch.equal(module[0].weight, before)
    assert "was called more than once" in (tmp_path / "again.log").read_text()


def test_an_initializer_that_fills_nothing_says_so(tmp_path):
    logger = MMLogger("nothing", log_file=str(tmp_path / "nothing.log"))
    with logger.current():
        initialize(nn.Linear(2, 2), {"type": "Constant", "val": 1})
    logger.close()
    assert "fills nothing; give 'layer'" in (tmp_path / "nothing.log").read_text()


class Growing(BaseModule):
    def __init__(self):
        super().__init__()
        self.inner = Sequential(nn.Linear(1, 1))

    def init_weights(self):
        super().init_weights()
        self.more = nn.Parameter(torch.ones(1))


def test_a_parameter_that_appears_on_the_way_is_an_error():
    with pytest.raises(BuildError, match="added or replaced the parameter 'more'"):
        Sequential(Growing()).init_weights()
    update_init_info(nn.Linear(1, 1), "outside of init_weights, there is nothing to note")


@pytest.mark.parametrize(
    ("init_cfg", "error", "message"),
    [
        ("Constant", TypeError, "a mapping with 'type' or a list"),
        ({"type": "Constant", "val": 1, "override": 3}, TypeError, "override must be a mapping with 'name'"),
        ({"type": "Constant", "val": 1, "override": {"type": "Normal"}}, BuildError, "needs 'name'"),
        ({"type": "Constant", "val": 1, "override": {"name": "0", "std": 1}}, BuildError, "arguments and no 'type'"),
        ({"type": "Constant", "val": 1, "override": {"name": "a"}}, BuildError, "no submodule 'a'.*there are 0, 1"),
        ({"type": "Constant", "val": 1, "bias": "x"}, BuildError, "bias must be a number"),
        ({"type": "Constant", "val": 1, "bias_prob": 1}, BuildError, "bias_prob must be a float"),
        ({"type": "Constant", "val": 1, "layer": 1}, BuildError, "layer must be a class name"),
        ({"type": "Xavier", "distribution": "flat", "layer": "Linear"}, ValueError, "'normal' or 'uniform'"),
    ],
)
def test_what_cannot_be_is_refused(init_cfg, error, message):
    with pytest.raises(error, match=message):
        initialize(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), init_cfg)


def test_a_prefix_that_is_not_there_is_named(tmp_path):
    torch.save({"state_dict": nn.Sequential(nn.Linear(1, 1)).state_dict()}, tmp_path / "w.pth")
    cfg = {"type": "Pretrained", "checkpoint": str(tmp_path / "w.pth"), "prefix": "backbone"}
    with pytest.raises(CheckpointError, match=r"no weight under 'backbone.'; there are 0"):
        initialize(nn.Linear(1, 1), cfg)
