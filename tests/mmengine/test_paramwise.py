"""The parameter groups of MMEngine's constructor, and the weights of its wrappers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from runner.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper

mmengine = pytest.importorskip("mmengine")
theirs = pytest.importorskip("mmengine.optim")


class Net(nn.Module):
    """Norms of every kind, a depth-wise convolution, parameters of its own, a frozen part."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.table = nn.Parameter(torch.ones(3, 3))
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4), nn.InstanceNorm2d(4, affine=True)
        )
        self.neck = nn.ModuleDict({"norm": nn.GroupNorm(2, 4), "proj": nn.Linear(4, 4), "norm_out": nn.LayerNorm(4)})
        self.head = nn.Linear(4, 5)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


class Tied(nn.Module):
    """Weights and whole modules under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 3, bias=False)
        self.norm = nn.LayerNorm(3)
        self.again = self.norm
        self.head = nn.Linear(3, 3)
        self.head.weight = self.embed.weight


PARAMWISE: dict[str, Any] = {
    "none": None,
    "empty": {},
    "bias_lr_mult": {"bias_lr_mult": 2.0},
    "bias_decay_mult": {"bias_decay_mult": 0.0},
    "norm_decay_mult": {"norm_decay_mult": 0.0},
    "flat_decay_mult": {"flat_decay_mult": 0.1},
    "dwconv_decay_mult": {"dwconv_decay_mult": 0.2},
    "dcn_offset_lr_mult": {"dcn_offset_lr_mult": 0.1},
    "every multiplier": {
        "bias_lr_mult": 2.0,
        "bias_decay_mult": 0.3,
        "norm_decay_mult": 0.0,
        "flat_decay_mult": 0.1,
        "dwconv_decay_mult": 0.2,
        "dcn_offset_lr_mult": 0.1,
    },
    "a key": {"custom_keys": {"backbone": {"lr_mult": 0.1, "decay_mult": 0.5}}},
    "the longest key, then the alphabet": {
        "custom_keys": {
            "head": {"lr_mult": 0.1},
            "head.bias": {"lr_mult": 3.0},
            "norm": {"decay_mult": 0.0},
            "neck": {"lr_mult": 0.7},
            ".bias": {"decay_mult": 0.2},
        },
        "bias_lr_mult": 5.0,
    },
    "other options of a group": {"custom_keys": {".scale": {"momentum": 0.5, "lr": 0.3}, "neck": {"nesterov": True}}},
    "a name at the top": {"custom_keys": {".table": {"lr_mult": 4.0}}},
}


def groups(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[tuple[list[str], dict[str, Any]]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        ([names[id(each)] for each in group["params"]], {key: group[key] for key in sorted(group) if key != "params"})
        for group in optimizer.param_groups
    ]


def assert_alike(model: nn.Module, optimizer: dict[str, Any], paramwise_cfg: Any) -> None:
    cfg = {"optimizer": optimizer, "paramwise_cfg": paramwise_cfg}
    ours, others = build_optim_wrapper(model, cfg), theirs.build_optim_wrapper(model, copy.deepcopy(cfg))
    assert groups(ours.optimizer, model) == groups(others.optimizer, model)
    assert ours.get_lr() == others.get_lr()
    assert ours.get_momentum() == others.get_momentum()
    assert (ours.base_param_settings is None) == (others.base_param_settings is None)


@pytest.mark.parametrize("paramwise_cfg", PARAMWISE.values(), ids=PARAMWISE)
def test_groups(paramwise_cfg: Any) -> None:
    assert_alike(Net(), {"type": "SGD", "lr": 0.01, "weight_decay": 0.05, "momentum": 0.9}, paramwise_cfg)


@pytest.mark.parametrize(
    "paramwise_cfg", [cfg for name, cfg in PARAMWISE.items() if name != "other options of a group"]
)
def test_groups_of_another_optimizer(paramwise_cfg: Any) -> None:
    assert_alike(Net(), {"type": "AdamW", "lr": 0.01, "weight_decay": 0.05, "betas": (0.9, 0.95)}, paramwise_cfg)


@pytest.mark.parametrize(
    "paramwise_cfg",
    [
        {"bypass_duplicate": True, "norm_decay_mult": 0.0},
        {"bypass_duplicate": True, "custom_keys": {"embed": {"lr_mult": 2.0}, "again": {"lr_mult": 3.0}}},
    ],
)
def test_shared_parameters(paramwise_cfg: Any) -> None:
    assert_alike(Tied(), {"type": "SGD", "lr": 0.01, "weight_decay": 0.05}, paramwise_cfg)


def train(wrapper: Any, model: nn.Module, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    wrapper.initialize_count_status(model, 0, steps)
    for _ in range(steps):
        with wrapper.optim_context(model):
            loss = model(torch.randn(4, 3, generator=generator)).square().mean()
        wrapper.update_params(loss)


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("clip_grad", [None, {"max_norm": 0.1}, {"type": "value", "clip_value": 0.01}])
def test_a_wrappers_weights(clip_grad: Any, window: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    other = copy.deepcopy(model)
    train(OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), window, clip_grad), model, 11)
    theirs_wrapper = theirs.OptimWrapper(
        torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9), window, copy.deepcopy(clip_grad)
    )
    train(theirs_wrapper, other, 11)
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))


def test_several_optimizers() -> None:
    model = Net()
    parts = {"neck": torch.optim.AdamW, "head": torch.optim.SGD}
    ours = OptimWrapperDict(
        **{
            name: OptimWrapper(optimizer(model.get_submodule(name).parameters(), lr=0.1))
            for name, optimizer in parts.items()
        }
    )
    others = theirs.OptimWrapperDict(
        **{
            name: theirs.OptimWrapper(optimizer(model.get_submodule(name).parameters(), lr=0.1))
            for name, optimizer in parts.items()
        }
    )
    assert ours.get_lr() == others.get_lr()
    assert ours.get_momentum() == others.get_momentum()
    assert ours.state_dict() == others.state_dict()
    assert list(ours.keys()) == list(others.keys())
    assert ours.param_groups == others.param_groups
    assert {name for name in dir(others) if not name.startswith("_")} <= {*dir(ours)}


@pytest.mark.parametrize("name", ["OptimWrapper", "DefaultOptimWrapperConstructor"])
def test_the_public_methods_are_there(name: str) -> None:
    from runner import optim

    def public(cls: Any) -> set[str]:
        return {each for each in dir(cls) if not each.startswith("_")}

    assert public(vars(theirs)[name]) <= public(vars(optim)[name])
