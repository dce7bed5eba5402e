"""The same initial weights, the same preprocessed batches and the same counts as MMEngine's, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

mmengine_model = pytest.importorskip("mmengine.model")

from mmengine.registry import MODELS as THEIR_MODELS  # noqa: E402
from mmengine.runner import save_checkpoint  # noqa: E402

import runner.analysis  # noqa: E402
import runner.model as ours  # noqa: E402

theirs = mmengine_model


def network(home, init_cfg=None, inner_cfg=None):
    """A network of modules of one home, drawn from the same seed whichever it is."""

    class Block(home.BaseModule):
        def __init__(self, init_cfg=None):
            super().__init__(init_cfg)
            self.conv = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)

    class Head(home.BaseModule):
        def __init__(self):
            super().__init__()
            self.reg = nn.Linear(4, 2)
            self.cls = nn.Linear(4, 3)

        def init_weights(self):
            super().init_weights()
            nn.init.normal_(self.cls.weight, std=0.3)

    class Net(home.BaseModule):
        def __init__(self, init_cfg=None):
            super().__init__(init_cfg)
            self.blocks = home.Sequential(Block(inner_cfg), Block(), init_cfg=inner_cfg)
            self.more = home.ModuleList([nn.Conv1d(2, 2, 1), nn.Linear(2, 2, bias=False)])
            self.named = home.ModuleDict(
                {"a": nn.Linear(2, 2)}, init_cfg={"type": "Constant", "val": 7, "layer": "Linear"}
            )
            self.head = Head()
            self.reg = nn.Linear(3, 3)
            self.cls = nn.Conv2d(2, 2, 1)

    torch.manual_seed(3)
    net = Net(init_cfg)
    net.init_weights()
    return net.state_dict()


CONFIGS = {
    "constant": {"type": "Constant", "val": 0.5, "bias": 2, "layer": ["Conv2d", "Linear"]},
    "xavier": {"type": "Xavier", "gain": 2, "distribution": "uniform", "layer": "Linear"},
    "xavier_normal": {"type": "Xavier", "bias_prob": 0.01, "layer": ["Linear", "Conv1d"]},
    "normal": {"type": "Normal", "mean": 1, "std": 0.02, "layer": "Conv2d"},
    "trunc_normal": {"type": "TruncNormal", "std": 0.7, "a": -1, "b": 0.5, "layer": ["Linear", "Conv2d"]},
    "uniform": {"type": "Uniform", "a": -3, "b": -1, "bias": 1.5, "layer": "Linear"},
    "kaiming": {"type": "Kaiming", "layer": "Conv2d"},
    "kaiming_all": {
        "type": "Kaiming",
        "a": 0.2,
        "mode": "fan_in",
        "nonlinearity": "leaky_relu",
        "distribution": "uniform",
        "layer": ["Conv2d", "_ConvNd"],
    },
    "caffe2": {"type": "Caffe2Xavier", "bias": 1, "layer": ["Conv2d", "Linear"]},
    "base_class": {"type": "Constant", "val": 3, "layer": "_BatchNorm"},
    "several": [
        {"type": "Kaiming", "layer": "Conv2d"},
        {"type": "Normal", "std": 0.1, "layer": "Linear", "override": {"name": "reg", "type": "Uniform", "b": 5}},
    ],
    "override_alone": {"type": "Normal", "std": 9, "override": [{"name": "reg"}, {"name": "cls"}]},
    "override_whole": {
        "type": "Constant",
        "val": 1,
        "layer": "Conv2d",
        "override": {"name": "head", "type": "Xavier", "bias": 4},
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_seed_gives_the_same_weights(name):
    inner = {"type": "TruncNormal", "std": 0.1, "layer": "Conv2d"}
    want, got = network(theirs, CONFIGS[name], inner), network(ours, CONFIGS[name], inner)
    assert want.keys() == got.keys()
    for key in want:
        assert torch.equal(want[key], got[key]), key


@pytest.mark.parametrize("prefix", [None, "backbone", "backbone."])
def test_pretrained_weights_are_loaded_last(tmp_path, prefix):
    source = nn.Module()
    source.backbone = nn.Sequential(nn.Linear(2, 2))
    file = str(tmp_path / "weights.pth")
    state = source.state_dict() if prefix else source.backbone.state_dict()
    save_checkpoint({"state_dict": state, "meta": {}}, file)
    cfg = [
        {"type": "Pretrained", "checkpoint": file, "prefix": prefix},
        {"type": "Constant", "val": 1, "layer": "Linear"},
    ]
    nets = [home.Sequential(nn.Linear(2, 2), init_cfg=cfg) for home in (theirs, ours)]
    for net in nets:
        net.init_weights()
        assert torch.equal(net[0].weight, source.backbone[0].weight)


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9, 1e-6])
def test_the_bias_of_a_probability(probability):
    assert ours.bias_init_with_prob(probability) == theirs.bias_init_with_prob(probability)


FUNCTIONS = {
    "constant_init": {"val": 2, "bias": 1},
    "xavier_init": {"gain": 3, "bias": 1, "distribution": "uniform"},
    "normal_init": {"mean": 1, "std": 2, "bias": 3},
    "trunc_normal_init": {"mean": 0.5, "std": 0.2, "a": 0, "b": 1, "bias": 1},
    "uniform_init": {"a": 2, "b": 3, "bias": 1},
    "kaiming_init": {"a": 1, "mode": "fan_in", "nonlinearity": "leaky_relu", "bias": 1, "distribution": "uniform"},
    "caffe2_xavier_init": {"bias": 2},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_fill_alike(name):
    filled = []
    for home in (theirs, ours):
        torch.manual_seed(0)
        module = nn.Conv2d(3, 5, 3)
        getattr(home, name)(module, **FUNCTIONS[name])
        filled.append(module.state_dict())
    for key in filled[0]:
        assert torch.equal(filled[0][key], filled[1][key])


PREPROCESSORS = [
    {},
    {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr_to_rgb": True},
    {"mean": [127], "std": [2], "pad_size_divisor": 32, "pad_value": 3.5},
    {"rgb_to_bgr": True, "pad_size_divisor": 5},
]


@pytest.mark.parametrize("arguments", PREPROCESSORS)
@pytest.mark.parametrize("listed", [True, False])
def test_images_are_prepared_alike(arguments, listed):
    torch.manual_seed(0)
    sizes = [(7, 9), (12, 5)] if listed else [(7, 9), (7, 9)]
    images = [torch.randint(0, 255, (3, *size), dtype=torch.uint8) for size in sizes]
    batch = {"inputs": images if listed else torch.stack(images), "data_samples": ["a", "b"]}
    want = theirs.ImgDataPreprocessor(**arguments)(dict(batch))
    got = ours.ImgDataPreprocessor(**arguments)(dict(batch))
    assert torch.equal(want["inputs"], got["inputs"])
    assert want["data_samples"] == got["data_samples"]


def test_tensors_are_stacked_alike():
    torch.manual_seed(0)
    tensors = [torch.rand(2, 3, 4), torch.rand(2, 5, 1)]
    assert torch.equal(theirs.stack_batch(tensors, 4, 0.5), ours.stack_batch(tensors, 4, 0.5))


def test_losses_are_parsed_alike():
    losses = {"loss_cls": torch.rand(3), "acc": torch.rand(2), "loss_box": [torch.rand(2), torch.rand(())]}
    module = THEIR_MODELS.build({"type": "BaseDataPreprocessor"})
    want = type("M", (theirs.BaseModel,), {"forward": lambda self: None})(module).parse_losses(losses)
    got = ours.BaseModel().parse_losses(losses)
    assert torch.equal(want[0], got[0])
    assert {key: value.item() for key, value in want[1].items()} == {key: value.item() for key, value in got[1].items()}


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8), nn.ConvTranspose2d(8, 4, 2, 2))
        self.more = nn.Sequential(nn.InstanceNorm2d(4, affine=True), nn.Upsample(scale_factor=2, mode="bilinear"))
        self.pools = nn.ModuleList([nn.AdaptiveAvgPool2d(2), nn.AdaptiveAvgPool2d(1)])
        self.head, self.norm = nn.Linear(16, 5), nn.LayerNorm(5)

    def forward(self, x):
        x = self.more(self.deep(self.stem(x)))
        return self.norm(self.head(self.pools[0](x).flatten(1))) + self.pools[1](x).sum()


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8, bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.out((q @ k.transpose(1, 2)).softmax(-1) @ v) + torch.einsum("bnd,bmd->bnm", q, k).sum()


@pytest.mark.parametrize("analyzer", ["FlopAnalyzer", "ActivationAnalyzer"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("make", "shape"), [(Convolutional, (2, 3, 10, 12)), (Attending, (2, 7, 8))])
def test_a_model_counts_alike(analyzer, training, make, shape):
    analysis = pytest.importorskip("mmengine.analysis")
    model, inputs = make().train(training), (torch.rand(shape),)
    want = getattr(analysis, analyzer)(model, inputs)
    got = getattr(runner.analysis, analyzer)(model, inputs)
    assert want.by_module() == got.by_module()
    assert want.uncalled_modules() == got.uncalled_modules()
    assert analysis.parameter_count(model) == runner.analysis.parameter_count(model)
