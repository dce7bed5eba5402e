"""Parameters in groups: MMEngine's rules, and clear refusals of options that would do nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from runner.errors import BuildError
from runner.optim import CustomKey, DefaultOptimWrapperConstructor, OptimWrapper, build_optim_wrapper

SGD = {"type": "SGD", "lr": 1.0, "momentum": 0.9, "weight_decay": 0.5}


class DeformConv2d(nn.Module):
    """Stands in for mmcv's: known by its name."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))
        self.conv_offset = nn.Conv2d(2, 2, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4))
        self.deform = DeformConv2d()
        self.head = nn.Linear(4, 5)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def build(paramwise_cfg, model=None, optimizer=SGD):
    return build_optim_wrapper(model or Net(), {"optimizer": optimizer, "paramwise_cfg": paramwise_cfg})


def groups(paramwise_cfg, key):
    """The value of an option for each parameter where it is not the optimizer's own."""
    model = Net()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {}
    for group in build(paramwise_cfg, model).optimizer.param_groups:
        (parameter,) = group["params"]
        if group[key] != SGD.get(key):
            found[names[id(parameter)]] = group[key]
    return found


OFFSET = ("deform.conv_offset.weight", "deform.conv_offset.bias")


@pytest.mark.parametrize(
    ("paramwise_cfg", "key", "expected"),
    [
        ({"bias_lr_mult": 2.0}, "lr", dict.fromkeys(["backbone.0.bias", "backbone.2.bias", "head.bias"], 2.0)),
        (
            {"bias_decay_mult": 0.0},
            "weight_decay",
            dict.fromkeys(["backbone.0.bias", "backbone.1.bias", "backbone.2.bias", "head.bias"], 0.0),
        ),
        ({"norm_decay_mult": 0.0}, "weight_decay", {"backbone.1.weight": 0.0, "backbone.1.bias": 0.0}),
        ({"dwconv_decay_mult": 0.0}, "weight_decay", {"backbone.2.weight": 0.0, "backbone.2.bias": 0.0}),
        (
            {"flat_decay_mult": 0.0, "norm_decay_mult": 1.0},
            "weight_decay",
            dict.fromkeys(["scale", "backbone.0.bias", "backbone.2.bias", "head.bias"], 0.0),
        ),
        ({"dcn_offset_lr_mult": 0.1, "bias_lr_mult": 1.0}, "lr", dict.fromkeys(OFFSET, 0.1)),
        ({"custom_keys": {"head": {"lr_mult": 0.1}}}, "lr", {"head.weight": 0.1, "head.bias": 0.1}),
        ({"custom_keys": {"head": {"decay_mult": 0.0}}}, "weight_decay", {"head.weight": 0.0, "head.bias": 0.0}),
        ({"custom_keys": {"scale": {"momentum": 0.5}}}, "momentum", {"scale": 0.5}),
        ({"custom_keys": {"scale": {"lr": 7.0, "lr_mult": 3.0}}}, "lr", {"scale": 7.0}),
        (
            {"custom_keys": {"bias": {"lr_mult": 2.0}, "head.bias": {"lr_mult": 3.0}, "head": {"lr_mult": 4.0}}},
            "lr",
            {
                **dict.fromkeys(["backbone.0.bias", "backbone.1.bias", "backbone.2.bias", OFFSET[1]], 2.0),
                "head.weight": 4.0,
                "head.bias": 3.0,
            },
        ),
        (
            {"custom_keys": {"ea": {"lr_mult": 2.0}, "he": {"lr_mult": 3.0}}, "bias_lr_mult": 5.0},
            "lr",
            {"head.weight": 2.0, "head.bias": 2.0, "backbone.0.bias": 5.0, "backbone.2.bias": 5.0},
        ),
    ],
)
def test_rules(paramwise_cfg, key, expected):
    assert groups(paramwise_cfg, key) == expected


def test_one_group_without_options_and_one_per_trained_parameter_with_them():
    assert len(build({}).optimizer.param_groups) == 1
    assert len(build(None).optimizer.param_groups) == 1
    wrapper = build({"bias_lr_mult": 1.0})
    assert len(wrapper.optimizer.param_groups) == sum(p.requires_grad for p in Net().parameters())
    assert wrapper.base_param_settings["lr"] == 1.0


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 3, bias=False)
        self.head = nn.Linear(3, 3)
        self.head.weight = self.embed.weight


def test_shared_parameters():
    with pytest.raises(BuildError, match=r"head\.weight.*another name too.*bypass_duplicate: true"):
        build({"bias_lr_mult": 2.0}, Tied())
    wrapper = build({"bias_lr_mult": 2.0, "bypass_duplicate": True}, Tied())
    assert [group["lr"] for group in wrapper.optimizer.param_groups] == [1.0, 2.0]
    assert len(build({"custom_keys": {"head.weight": {}}, "bypass_duplicate": True}, Tied()).param_groups) == 3


@pytest.mark.parametrize(
    ("paramwise_cfg", "message"),
    [
        ({"custum_keys": {}}, "paramwise_cfg has no option 'custum_keys'; did you mean 'custom_keys'"),
        ({"custom_keys": {"bakbone": {"lr_mult": 1}}}, "no parameter's name holds 'bakbone'; did you mean 'backbone'"),
        ({"custom_keys": {"backbone.7": {"lr_mult": 1}}}, r"holds 'backbone.7'; did you mean 'backbone.\d'"),
        ({"custom_keys": {"zzz": {"lr_mult": 1}}}, "holds 'zzz'. Names look like: scale, backbone.0.weight"),
        ({"custom_keys": {"head": {"lr_mul": 1}}}, "custom_keys.head has no option 'lr_mul'; did you mean 'lr_mult'"),
        ({"custom_keys": {"head": {"betas": (0, 1)}}}, "has no option 'betas'"),
        ({"custom_keys": {"head": 0.1}}, "must be a mapping such as {lr_mult: 0.1}, got 0.1"),
    ],
)
def test_options_that_would_do_nothing(paramwise_cfg, message):
    with pytest.raises(BuildError, match=message):
        build(paramwise_cfg)


@pytest.mark.parametrize(
    ("paramwise_cfg", "message"),
    [
        ({"norm_decay_mult": 0.0}, "paramwise_cfg.norm_decay_mult multiplies optimizer.weight_decay"),
        ({"flat_decay_mult": 0.0}, "paramwise_cfg.flat_decay_mult multiplies optimizer.weight_decay"),
        (
            {"custom_keys": {"head": {"decay_mult": 0.0}}},
            "custom_keys.head.decay_mult multiplies optimizer.weight_decay",
        ),
        ({"custom_keys": {"head": {"lr_mult": 0.0}}}, "custom_keys.head.lr_mult multiplies optimizer.lr"),
        ({"bias_lr_mult": 0.0}, "paramwise_cfg.bias_lr_mult multiplies optimizer.lr"),
    ],
)
def test_a_multiplier_needs_what_it_multiplies(paramwise_cfg, message):
    with pytest.raises(BuildError, match=message):
        build(paramwise_cfg, optimizer={"type": "AdamW"})


def test_a_built_optimizer_has_its_groups_already():
    model = Net()
    with pytest.raises(BuildError, match="already built with its own"):
        build({"bias_lr_mult": 2.0}, model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(BuildError, match="needs an 'optimizer'"):
        build_optim_wrapper(model, {"type": "OptimWrapper"})


def test_frozen_parameters_are_named(log):
    build({"bias_lr_mult": 2.0})
    assert "frozen.weight is not trained" in log()
    assert "paramwise_options -- backbone.0.bias:lr=2.0" in log()


def test_a_constructor_of_ones_own():
    class HeadOnly(DefaultOptimWrapperConstructor):
        def add_params(self, params, module, prefix="", is_dcn_module=False):
            super().add_params(params, module.head, "head")

    model = Net()
    wrapper = build_optim_wrapper(
        model,
        {
            "type": "AmpOptimWrapper",
            "dtype": "bfloat16",
            "constructor": HeadOnly,
            "optimizer": SGD,
            "paramwise_cfg": {"bias_lr_mult": 3.0},
            "clip_grad": {"max_norm": 1.0},
        },
    )
    assert type(wrapper).__name__ == "AmpOptimWrapper"
    assert [group["lr"] for group in wrapper.optimizer.param_groups] == [1.0, 3.0]


def test_what_a_constructor_returns_is_checked():
    class Wrong:
        def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
            pass

        def __call__(self, model):
            return torch.optim.SGD(model.parameters(), lr=0.1)

    with pytest.raises(BuildError, match="Wrong must return an OptimWrapper, got SGD"):
        build_optim_wrapper(Net(), {"constructor": Wrong, "optimizer": SGD})


def test_the_builder_that_is_passed_resolves_the_names():
    asked = []

    def builder(kind, cfg, /, **injected):
        asked.append((kind, cfg.get("type")))
        if kind == "optim_wrapper_constructor":
            return DefaultOptimWrapperConstructor(**injected)
        if kind == "optimizer":
            return torch.optim.SGD(lr=0.1, **injected)
        return OptimWrapper(**injected)

    build_optim_wrapper(Net(), {"optimizer": {"type": "mine.SGD"}}, build=builder)
    assert asked == [
        ("optim_wrapper_constructor", "DefaultOptimWrapperConstructor"),
        ("optimizer", "mine.SGD"),
        ("optim_wrapper", None),
    ]


def test_every_option_of_torchs_optimizers_can_be_set_by_key():
    """But for those of LBFGS, which takes no groups, and those that only the constructor reads."""
    parameters = [nn.Parameter(torch.zeros(2, 2))]
    found = set()
    for name in vars(torch.optim).values():
        is_optimizer = isinstance(name, type) and issubclass(name, torch.optim.Optimizer)
        if is_optimizer and name not in {torch.optim.Optimizer, torch.optim.LBFGS}:
            found |= name(parameters, lr=0.1).defaults.keys()
    assert found - {"initial_accumulator_value"} <= CustomKey.__annotations__.keys()
