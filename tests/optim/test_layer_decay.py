"""Learning rates by depth: where the layers of well-known models are, and what each of their parameters gets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from runner.errors import BuildError
from runner.optim import build_optim_wrapper
from runner.optim.layer_depth import find_layers

ADAMW = {"type": "AdamW", "lr": 1.0, "weight_decay": 0.5}


def tree(names: str) -> nn.Module:
    """A module with a layer of two weights at each name; a part of a name that ends in `[]` is a list."""
    root = nn.Module()
    for name in names.split():
        holder = root
        *parents, last = name.split(".")
        for parent in parents:
            child = getattr(holder, parent.removesuffix("[]"), None)
            if child is None:
                child = nn.ModuleList() if parent.endswith("[]") else nn.Module()
                holder.add_module(parent.removesuffix("[]"), child)
            holder = child
        if last.endswith("!"):
            holder.register_parameter(last[:-1], nn.Parameter(torch.zeros(1, 2)))
        else:
            holder.add_module(last, nn.Linear(2, 2))
    return root


MODELS = {
    "vit": (
        (
            "backbone.cls_token! backbone.patch_embed.proj backbone.layers[].0.attn backbone.layers[].0.ffn.layers[].0 "
            "backbone.layers[].0.ffn.layers[].1 backbone.layers[].1.attn backbone.ln1 head.fc"
        ),
        [0, 0, 1, 1, 1, 2, 3, 3],
    ),
    "swin": (
        (
            "backbone.patch_embed backbone.stages[].0.blocks[].0 backbone.stages[].0.blocks[].1 "
            "backbone.stages[].0.downsample backbone.stages[].1.blocks[].0 backbone.norm head.fc"
        ),
        [0, 1, 2, 2, 3, 4, 4],
    ),
    "swin of its authors": (
        "patch_embed layers[].0.blocks[].0 layers[].0.blocks[].1 layers[].0.downsample layers[].1.blocks[].0 norm head",
        [0, 1, 2, 2, 3, 4, 4],
    ),
    "convnext": (
        (
            "backbone.downsample_layers[].0 backbone.downsample_layers[].1 backbone.stages[].0[].0 backbone.stages[].0[].1 "
            "backbone.stages[].1[].0 backbone.norm3 head"
        ),
        [0, 3, 1, 2, 3, 4, 4],
    ),
    "convnext of timm": (
        "stem stages[].0.blocks[].0 stages[].0.blocks[].1 stages[].1.downsample stages[].1.blocks[].0 head",
        [0, 1, 2, 3, 3, 4],
    ),
    "resnet": (
        "conv1 layer1[].0.conv layer1[].1.conv layer2[].0.conv layer2[].0.downsample layer3[].0.conv fc",
        [0, 1, 2, 3, 3, 4, 5],
    ),
    "bert": (
        "bert.embeddings.word bert.encoder.layer[].0.attention bert.encoder.layer[].1.attention bert.pooler classifier",
        [0, 1, 2, 3, 3],
    ),
    "a head before its backbone": ("head.fc backbone.stem backbone.blocks[].0 backbone.blocks[].1", [3, 0, 1, 2]),
    "a head with layers": (
        "backbone.stem backbone.blocks[].0 head.layers[].0 head.layers[].1 head.layers[].2",
        [0, 1, 2, 2, 2],
    ),
    "an encoder and a smaller decoder": (
        "embed encoder.layers[].0.a encoder.layers[].0.b encoder.layers[].1.a decoder.layers[].0.a",
        [0, 1, 1, 2, 3],
    ),
}


@pytest.mark.parametrize("model", MODELS)
def test_where_the_layers_are(model: str) -> None:
    names, expected = MODELS[model]
    depths = find_layers(tree(names)).depths
    plain = [name.replace("[]", "").replace("!", "") for name in names.split()]
    assert [next(depth for key, depth in depths.items() if key.startswith(name)) for name in plain] == expected


def test_the_last_of_a_plain_sequential_is_its_head() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    assert list(find_layers(model).depths.values()) == [1, 1, 2, 2, 3, 3]
    inside = nn.ModuleDict({"net": model, "scale": nn.Linear(1, 1)})
    assert list(find_layers(inside).depths.values()) == [1, 1, 2, 2, 3, 3, 4, 4]


def rates(model: nn.Module, constructor: str, paramwise_cfg: Any) -> dict[str, tuple[float, float]]:
    """The learning rate and the weight decay of each parameter."""
    wrapper = build_optim_wrapper(
        model, {"optimizer": ADAMW, "constructor": constructor, "paramwise_cfg": paramwise_cfg}
    )
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = wrapper.optimizer.param_groups
    return {names[id(each)]: (group["lr"], group["weight_decay"]) for group in groups for each in group["params"]}


def test_mmpretrains_rates(log: Any) -> None:
    found = rates(
        tree(MODELS["vit"][0]),
        "LearningRateDecayOptimWrapperConstructor",
        {"layer_decay_rate": 0.5, "bias_decay_mult": 0.0, "custom_keys": {".cls_token": {"decay_mult": 0.2}}},
    )
    assert found["backbone.cls_token"] == (0.125, pytest.approx(0.1))
    assert found["backbone.patch_embed.proj.weight"] == (0.125, 0.5)
    assert found["backbone.layers.0.attn.bias"] == (0.25, 0.0)
    assert found["backbone.layers.1.attn.weight"] == (0.5, 0.5)
    assert found["backbone.ln1.weight"] == found["head.fc.weight"] == (1.0, 0.5)
    assert "depth 0: lr_mult=0.125 for backbone.cls_token, backbone.patch_embed.proj.weight" in log()


def test_a_model_that_says_how_deep_its_parameters_lie() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)

        def get_layer_depth(self, name: str) -> tuple[int, int]:
            return (0 if name.startswith("first") else 4), 5

    found = rates(Own(), "LearningRateDecayOptimWrapperConstructor", {"layer_decay_rate": 0.5})
    assert [rate for rate, _ in found.values()] == [0.0625, 0.0625, 1.0, 1.0]


def convnext(depths: tuple[int, ...]) -> nn.Module:
    down = " ".join(f"backbone.downsample_layers[].{stage}" for stage in range(4))
    blocks = " ".join(f"backbone.stages[].{n}[].{block}" for n, depth in enumerate(depths) for block in range(depth))
    return tree(f"{down} {blocks} backbone.norm3 decode_head.conv")


def of_mmdetection(name: str, num_layers: int) -> int:
    """The depth that MMDetection gives a parameter of ConvNeXt."""
    parts = name.split(".")
    if name.startswith("backbone.downsample_layers"):
        return {0: 0, 1: 2, 2: 3, 3: num_layers}[int(parts[2])]
    if name.startswith("backbone.stages"):
        stage, block = int(parts[2]), int(parts[3])
        return {0: 1, 1: 2, 2: 3 + block // 3, 3: num_layers}[stage]
    return num_layers + 1


@pytest.mark.parametrize(("depths", "num_layers"), [((3, 3, 9, 3), 6), ((3, 3, 27, 3), 12)])
def test_the_migration_guides_options_on_convnext(depths: tuple[int, ...], num_layers: int) -> None:
    cfg = {"decay_rate": 0.95, "decay_type": "layer_wise", "num_layers": num_layers}
    for constructor in ("LayerDecayOptimizerConstructor", "LearningRateDecayOptimizerConstructor"):
        found = rates(convnext(depths), constructor, cfg)
        for name, (rate, decay) in found.items():
            assert rate == 0.95 ** (num_layers + 2 - of_mmdetection(name, num_layers) - 1), name
            assert decay == (0.0 if name.endswith("bias") else 0.5), name


def test_by_stage() -> None:
    cfg = {"decay_rate": 0.5, "decay_type": "stage_wise", "num_layers": 6}
    found = rates(convnext((3, 3, 9, 3)), "LayerDecayOptimizerConstructor", cfg)
    assert found["backbone.downsample_layers.2.weight"][0] == 0.5**7
    assert [found[f"backbone.stages.{stage}.2.weight"][0] for stage in range(4)] == [0.5**6, 0.5**5, 0.5**4, 0.5**3]
    assert found["backbone.norm3.weight"][0] == found["decode_head.conv.weight"][0] == 1.0


def test_the_number_of_layers_is_checked() -> None:
    constructor = "LayerDecayOptimizerConstructor"
    vit = tree(MODELS["vit"][0])
    expected = rates(vit, constructor, {"decay_rate": 0.5, "num_layers": 2})
    assert expected == rates(vit, constructor, {"decay_rate": 0.5})
    assert expected["backbone.cls_token"] == (0.125, 0.0)
    with pytest.raises(
        BuildError,
        match=r"num_layers is 12, and the model has 2 layers \(backbone.layers.0 to backbone.layers.1\); give 2, or",
    ):
        rates(vit, constructor, {"decay_rate": 0.5, "num_layers": 12})
    with pytest.raises(
        BuildError, match=r"has 18 layers .*; give 18 or, with the layers of the third stage in threes, 6"
    ):
        rates(convnext((3, 3, 9, 3)), constructor, {"decay_rate": 0.5, "num_layers": 7})
    with pytest.raises(BuildError, match="num_layers is 3, and the model has 4 stages"):
        rates(convnext((3, 3, 9, 3)), constructor, {"decay_rate": 0.5, "num_layers": 3, "decay_type": "stage_wise"})


@pytest.mark.parametrize(
    ("constructor", "paramwise_cfg", "message"),
    [
        ("LayerDecayOptimizerConstructor", {}, r"needs paramwise_cfg\.decay_rate"),
        ("LayerDecayOptimizerConstructor", {"layer_decay_rate": 1}, "no option 'layer_decay_rate'"),
        ("LearningRateDecayOptimWrapperConstructor", {"decay_rate": 1}, "did you mean 'layer_decay_rate'"),
        ("LearningRateDecayOptimWrapperConstructor", {"custom_keys": {"head": {"lr_mult": 2}}}, "no option 'lr_mult'"),
        ("LearningRateDecayOptimWrapperConstructor", {"custom_keys": {"heat": {}}}, "did you mean 'head'"),
    ],
)
def test_options_that_would_do_nothing(constructor: str, paramwise_cfg: Any, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        rates(tree(MODELS["vit"][0]), constructor, paramwise_cfg)


@pytest.mark.parametrize(
    ("constructor", "cfg"),
    [
        ("LayerDecayOptimizerConstructor", {"decay_rate": 0.5}),
        ("LearningRateDecayOptimWrapperConstructor", {"layer_decay_rate": 0.5}),
    ],
)
def test_a_rate_and_layers_are_needed(constructor: str, cfg: Any) -> None:
    with pytest.raises(BuildError, match=r"multiplies optimizer\.lr, which is not given"):
        build_optim_wrapper(
            nn.Linear(1, 1), {"optimizer": {"type": "AdamW"}, "constructor": constructor, "paramwise_cfg": cfg}
        )
    with pytest.raises(BuildError, match=r"no layers are found in Linear: .*get_layer_depth\(name\)"):
        rates(nn.Linear(1, 1), constructor, cfg)


def test_parameters_under_two_names() -> None:
    model = tree("stem blocks[].0 blocks[].1 head")
    model.head.weight = model.stem.weight  # type: ignore[union-attr]  # a module that holds modules
    constructor, cfg = "LearningRateDecayOptimWrapperConstructor", {"layer_decay_rate": 0.5}
    with pytest.raises(BuildError, match=r"head\.weight .*another name too"):
        rates(model, constructor, cfg)
    assert rates(model, constructor, {**cfg, "bypass_duplicate": True})["stem.weight"][0] == 0.125


def test_frozen_parameters_have_no_group() -> None:
    model = tree("stem blocks[].0 blocks[].1 head")
    model.stem.requires_grad_(False)  # type: ignore[union-attr]  # a module
    for constructor, key in (
        ("LayerDecayOptimizerConstructor", "decay_rate"),
        ("LearningRateDecayOptimWrapperConstructor", "layer_decay_rate"),
    ):
        assert "stem.weight" not in rates(model, constructor, {key: 0.5})
