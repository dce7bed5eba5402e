from __future__ import annotations

import contextlib
from collections import namedtuple

import pytest
import torch
from torch import nn

from runner.model import BaseDataPreprocessor, BaseModel, BaseModule, ModuleDict, ModuleList, Sequential


class Recorder(BaseModel):
    """Returns what it was called with."""

    def forward(self, *args, mode="tensor", **kwargs):
        return (
            {"loss": torch.zeros(()), "args": args, "kwargs": kwargs, "mode": mode} if mode != "loss" else self.losses
        )


class Steps:
    """The part of an OptimWrapper that a step uses."""

    def __init__(self):
        self.losses = []

    def optim_context(self, model):
        return contextlib.nullcontext()

    def update_params(self, loss):
        self.losses.append(loss)


@pytest.mark.parametrize(
    ("batch", "args", "kwargs"),
    [
        ({"a": 1, "b": 2}, (), {"a": 1, "b": 2}),
        ([1, 2], (1, 2), {}),
        ((1, 2), (1, 2), {}),
        (7, (7,), {}),
    ],
)
def test_a_batch_becomes_the_arguments_of_forward(batch, args, kwargs):
    output = Recorder().val_step(batch)
    assert (output["args"], output["kwargs"], output["mode"]) == (args, kwargs, "predict")
    assert Recorder().test_step(batch)["mode"] == "predict"


def test_a_tensor_is_one_argument():
    (given,) = Recorder().val_step(torch.ones(2))["args"]
    assert given.tolist() == [1, 1]


def test_a_step_minimizes_the_sum_of_the_losses_and_returns_all_entries():
    model, steps = Recorder(), Steps()
    model.losses = {
        "loss_cls": torch.tensor([1.0, 3.0]),
        "aux_loss": [torch.tensor(1.0), torch.tensor([2.0, 4.0])],
        "acc": torch.tensor(0.5),
    }
    outputs = model.train_step({}, steps)
    assert {name: value.item() for name, value in outputs.items()} == {
        "loss": 6.0,
        "loss_cls": 2.0,
        "aux_loss": 4.0,
        "acc": 0.5,
    }
    assert next(iter(outputs)) == "loss"
    assert steps.losses[0] is outputs["loss"]


def test_a_single_scalar_loss_is_handed_on_as_it_is():
    loss = torch.tensor(2.0, requires_grad=True)
    total, entries = BaseModel().parse_losses({"loss": loss})
    assert total is loss
    assert entries == {"loss": loss}


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        ({"acc": torch.ones(1)}, ValueError, "at least one name must contain 'loss'"),
        ({"loss": 1.0}, TypeError, r"\['loss'\] must be a tensor or a list of tensors, got float"),
        ({"loss": []}, TypeError, "got list"),
        ({"loss": [torch.ones(1), 2]}, TypeError, r"\['loss.1'\].*got int"),
    ],
)
def test_losses_that_cannot_be_minimized_are_refused(losses, error, message):
    with pytest.raises(error, match=message):
        BaseModel().parse_losses(losses)


def test_nothing_is_read_while_losses_are_parsed():
    losses = {"loss": torch.ones(3, device="meta"), "loss_b": [torch.ones(2, device="meta")]}
    total, _ = BaseModel().parse_losses(losses)
    assert total.device.type == "meta"


def test_a_preprocessor_is_taken_built_or_by_default():
    preprocessor = BaseDataPreprocessor()
    assert BaseModel(preprocessor).data_preprocessor is preprocessor
    assert type(BaseModel().data_preprocessor) is BaseDataPreprocessor
    with pytest.raises(TypeError, match="data_preprocessor must be"):
        BaseModel(3)


def test_a_preprocessor_is_built_from_a_mapping():
    model = BaseModel({"type": "ImgDataPreprocessor", "mean": [1.0], "std": [2.0]})
    assert model.data_preprocessor.mean.flatten().tolist() == [1.0]
    assert type(BaseModel({"non_blocking": False}).data_preprocessor) is BaseDataPreprocessor


def test_the_preprocessor_follows_the_model_and_its_parents():
    model = BaseModel()
    nn.Sequential(nn.Linear(1, 1), model).to("meta")
    assert model.data_preprocessor.device.type == "meta"
    assert model.data_preprocessor.cast_data([torch.ones(2)])[0].device.type == "meta"


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - what users' collate functions return


class Element:
    def to(self, device, non_blocking=False):
        self.moved = (device.type, non_blocking)
        return self


def test_a_batch_moves_whatever_its_nesting():
    preprocessor = BaseDataPreprocessor().to("meta")
    element = Element()
    batch = {"a": [torch.ones(1), "text", None], "b": (torch.ones(2), 3), "c": Pair(torch.ones(3), b"x"), "d": element}
    moved = preprocessor(batch)
    assert moved["a"][0].device.type == moved["b"][0].device.type == moved["c"].left.device.type == "meta"
    assert moved["a"][1:] == ["text", None]
    assert moved["b"][1] == 3
    assert (type(moved["c"]), moved["c"].right) == (Pair, b"x")
    assert element.moved == ("meta", False)
    assert batch["a"][0].device.type == "cpu"


@pytest.mark.parametrize(
    ("non_blocking", "device", "goes_on"), [(False, "meta", False), (True, "meta", True), (False, "cuda", True)]
)
def test_a_copy_to_cuda_is_never_waited_for(non_blocking, device, goes_on):
    preprocessor, element = BaseDataPreprocessor(non_blocking), Element()
    preprocessor._device = torch.device(device)
    preprocessor.cast_data(element)
    assert element.moved == (device, goes_on)


def test_weights_are_initialized_once_from_the_outside_in():
    class Leaf(BaseModule):
        calls = 0

        def init_weights(self):
            self.calls += 1
            super().init_weights()

    done = Leaf()
    done.is_init = True
    leaves = [Leaf() for _ in range(3)]
    model = Sequential(leaves[0], ModuleList([leaves[1]]), ModuleDict({"x": leaves[2]}), nn.Linear(1, 1), done)
    assert not model.is_init
    model.init_weights()
    model.init_weights()
    assert [leaf.calls for leaf in leaves] == [1, 1, 1]
    assert done.calls == 0
    assert model.is_init
