from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from runner.build import Builder
from runner.checkpoint import load_checkpoint
from runner.config import Config
from runner.errors import BuildError
from runner.model import LossTerm, ModuleAdapter
from runner.optim import OptimWrapper
from runner.validation import check

CLASSIFIER = {
    "type": "ModuleAdapter",
    "module": {
        "type": "nn.Sequential",
        "modules": [
            {"type": "nn.Linear", "in_features": 4, "out_features": 8},
            {"type": "nn.ReLU"},
            {"type": "nn.Linear", "in_features": 8, "out_features": 3},
        ],
    },
    "loss": {"type": "nn.CrossEntropyLoss", "weight": [1, 2, 1]},
}


def build(cfg):
    return Builder().build("model", cfg, ("model",))


def batches(number=3):
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(5, 4, generator=generator), torch.tensor([0, 1, 2, 0, 1])) for _ in range(number)]


def test_it_trains_as_a_hand_written_loop_does():
    torch.manual_seed(0)
    model = build(CLASSIFIER)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    losses = [model.train_step(batch, wrapper)["loss"] for batch in batches()]

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0]))
    for (images, labels), loss in zip(batches(), losses, strict=True):
        expected = criterion(net(images), labels)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert torch.equal(loss, expected)


class Echo(nn.Module):
    """Returns its arguments, and what makes it trainable."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, *args, **kwargs):
        return {"args": args, **kwargs} if kwargs else args[0] if len(args) == 1 else args


@pytest.mark.parametrize(
    ("inputs", "batch", "said"),
    [
        (0, ["a", "b"], "a"),
        (-1, ("a", "b"), "b"),
        (0, "a", "a"),
        ([1, 0], ["a", "b"], ("b", "a")),
        ("image", {"image": "a"}, "a"),
        ("a.b", {"a.b": "x", "a": {"b": "y"}}, "x"),
        ("a.1", {"a": ["x", "y"]}, "y"),
        ("0.image", [{"image": "a"}], "a"),
        (
            {"ids": "input_ids", "mask": "more.mask"},
            {"input_ids": 1, "more": {"mask": 2}},
            {"args": (), "ids": 1, "mask": 2},
        ),
    ],
)
def test_a_part_of_the_batch_goes_in(inputs, batch, said):
    assert ModuleAdapter(Echo(), None, inputs=inputs).test_step(batch) == said


@pytest.mark.parametrize(
    ("inputs", "batch", "message"),
    [
        ("image", {"img": 1}, r"inputs: 'image' is not in the batch, which is a mapping with 'img'"),
        (2, [1, 2], r"inputs: 2 is not in the batch, which is a tuple of 2: int, int"),
        ("a.b", {"a": 1}, "'a.b' is not in the batch"),
    ],
)
def test_a_part_that_is_not_there_is_named_with_what_there_is(inputs, batch, message):
    with pytest.raises(ValueError, match=message):
        ModuleAdapter(Echo(), None, inputs=inputs).val_step(batch)


class Detector(nn.Module):
    """Two outputs, to be compared with two parts of the batch."""

    def __init__(self):
        super().__init__()
        self.classes, self.boxes = nn.Linear(2, 3), nn.Linear(2, 4)

    def forward(self, x):
        return {"logits": self.classes(x), "boxes": self.boxes(x)}


def test_several_losses_have_weights_and_parts_of_their_own():
    torch.manual_seed(0)
    net = Detector()
    model = ModuleAdapter(
        net,
        {
            "cls": nn.CrossEntropyLoss(),
            "loss_box": LossTerm(nn.L1Loss(), weight=0.5, outputs="boxes", targets="boxes"),
        },
        inputs="x",
        targets="labels",
        outputs="logits",
    )
    batch = {"x": torch.rand(6, 2), "labels": torch.tensor([0, 1, 2, 0, 1, 2]), "boxes": torch.rand(6, 4)}
    losses = model(**batch, mode="loss")
    said = net(batch["x"])
    assert torch.equal(losses["loss_cls"], nn.functional.cross_entropy(said["logits"], batch["labels"]))
    assert torch.equal(losses["loss_box"], 0.5 * nn.functional.l1_loss(said["boxes"], batch["boxes"]))
    assert torch.equal(model.parse_losses(losses)[0], losses["loss_cls"] + losses["loss_box"])


def test_a_loss_may_take_several_outputs_and_no_target():
    model = ModuleAdapter(Echo(), nn.TripletMarginLoss(), inputs=[0, 1, 2], targets=None, outputs=[0, 1, 2])
    anchor, same, other = torch.rand(3, 4, 2)
    loss = model(anchor, same, other, mode="loss")["loss"]
    assert torch.equal(loss, nn.functional.triplet_margin_loss(anchor, same, other))


class OwnLoss(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form, self.linear = form, nn.Linear(2, 2)

    def forward(self, input_ids, labels=None):
        logits = self.linear(input_ids)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {
            "transformers": OrderedDict(loss=loss, logits=logits),
            "torchvision": {"loss_a": loss, "loss_b": loss},
            "retinanet": {"classification": loss, "bbox_regression": loss},
            "scalar": loss,
            "none": (logits,),
        }[self.form]


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("transformers", ["loss"]),
        ("torchvision", ["loss_a", "loss_b"]),
        ("retinanet", ["loss_classification", "loss_bbox_regression"]),
        ("scalar", ["loss"]),
    ],
)
def test_a_module_may_compute_its_loss_itself(form, names):
    model = ModuleAdapter(
        OwnLoss(form), None, inputs={"input_ids": "ids", "labels": "labels"}, predict_inputs={"input_ids": "ids"}
    )
    losses = model(ids=torch.rand(3, 2), labels=torch.tensor([0, 1, 1]), mode="loss")
    assert list(losses) == names
    assert all(loss.requires_grad for loss in losses.values())
    assert model.test_step({"ids": torch.rand(3, 2)}) is None or form != "scalar"


def test_a_module_without_a_loss_is_told_of():
    model = ModuleAdapter(OwnLoss("none"), None, inputs=[0, 1])
    with pytest.raises(ValueError, match="loss is null, so the module computes the loss itself"):
        model(torch.rand(3, 2), torch.tensor([0, 1, 1]), mode="loss")


def test_classes_are_predicted_with_what_metrics_read():
    model = build(CLASSIFIER).eval()
    images, labels = batches()[0]
    samples = model.val_step([images, labels])
    scores = model(images).softmax(1)
    assert len(samples) == 5
    for number, sample in enumerate(samples):
        assert torch.equal(sample["pred_score"], scores[number])
        assert sample["pred_label"] == scores[number].argmax()
        assert sample["gt_label"] == labels[number]
    assert set(model.test_step([images])[0]) == {"pred_score", "pred_label"}


def test_values_are_predicted_with_their_targets():
    model = ModuleAdapter(nn.Linear(2, 1), nn.MSELoss())
    inputs, targets = torch.rand(3, 2), torch.rand(3, 1)
    samples = model.test_step((inputs, targets))
    assert torch.equal(torch.stack([sample["pred"] for sample in samples]), model(inputs))
    assert torch.equal(torch.stack([sample["target"] for sample in samples]), targets)
    several = ModuleAdapter(Detector(), nn.MSELoss(), predictions="values").test_step((inputs, targets))
    assert set(several[0]["pred"]) == {"logits", "boxes"}
    assert several[2]["pred"]["boxes"].shape == (4,)


def test_classes_need_a_matrix_of_scores():
    with pytest.raises(ValueError, match="set `outputs`"):
        ModuleAdapter(Detector(), None, predictions="classes").test_step((torch.rand(3, 2), None))


def test_a_loss_without_reduction_counts_by_its_mean():
    model = ModuleAdapter(nn.Linear(2, 1), nn.MSELoss(reduction="none"))
    losses = model(torch.rand(3, 2), torch.rand(3, 1), mode="loss")
    assert losses["loss"].shape == (3, 1)
    assert torch.equal(model.parse_losses(losses)[0], losses["loss"].mean())


def test_init_cfg_is_about_the_module(tmp_path):
    source = nn.Sequential(OrderedDict(stem=nn.Linear(4, 4), fc=nn.Linear(4, 2)))
    torch.save(source.state_dict(), tmp_path / "bare.pth")
    cfg = [
        {"type": "Pretrained", "checkpoint": str(tmp_path / "bare.pth")},
        {"type": "Constant", "val": 3, "override": {"name": "fc"}},
    ]
    net = nn.Sequential(OrderedDict(stem=nn.Linear(4, 4), fc=nn.Linear(4, 2)))
    model = ModuleAdapter(net, nn.MSELoss(), init_cfg=cfg[1])
    model.init_weights()
    assert model.net.fc.weight.unique().tolist() == [3]
    model = ModuleAdapter(net, nn.MSELoss(), init_cfg=cfg)
    model.init_weights()
    assert torch.equal(model.net.fc.weight, source.fc.weight)


def test_its_checkpoint_loads_back(tmp_path):
    model, other = build(CLASSIFIER), build(CLASSIFIER)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    load_checkpoint(other, tmp_path / "weights.pth", strict=True)
    assert torch.equal(model.net[0].weight, other.net[0].weight)


def test_modules_have_names_where_they_are_given():
    net = build({"type": "nn.Sequential", "modules": {"a": {"type": "nn.Identity"}, "b": {"type": "nn.Tanh"}}})
    assert [name for name, _ in net.named_children()] == ["a", "b"]
    assert type(net) is nn.Sequential


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("module", "modules", 0, "in_feature"), 4, "unknown-key"),
        (("module", "modules", 1, "type"), "nn.ReLu", "unknown-type"),
        (("module", "modules", 2, "out_features"), "three", "wrong-type"),
        (("loss", "reduction"), "average", "not-allowed"),
        (("loss", "weight"), 2, "wrong-type"),
        (("inputs",), 1.5, "wrong-type"),
        (("predictions",), "labels", "not-allowed"),
        (("init_cfg",), {"type": "Kaiming", "mode": "fan", "layer": "Linear"}, "not-allowed"),
        (("init_cfg",), {"type": "Constant", "layer": "Linear"}, "missing-key"),
        (("init_cfg",), {"type": "Normal", "override": {"type": "Normal"}}, "missing-key"),
        (("init_cfg",), {"type": "Normal", "override": [{"name": "fc", "typ": "Normal"}]}, "unknown-key"),
    ],
)
def test_a_mistake_in_it_is_found_before_anything_runs(path, value, code):
    cfg = Config({"model": CLASSIFIER}).to_dict()["model"]
    place = cfg
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (problem,) = check(Config({"model": cfg}))
    assert problem.code == code, problem


def test_what_torch_refuses_is_refused_with_its_place():
    cfg = {"type": "nn.Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3, "groups": 2}
    with pytest.raises(BuildError, match="in_channels must be divisible by groups"):
        build(cfg)
