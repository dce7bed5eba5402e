from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from runner.checkpoint import load_state_dict
from runner.errors import CheckpointError


def make_model():
    return nn.Sequential(OrderedDict(stem=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), head=nn.Linear(3, 4)))


@pytest.fixture
def source():
    torch.manual_seed(0)
    return make_model()


def test_everything_fits(source):
    model = make_model()
    report = load_state_dict(model, source.state_dict(), strict=True)
    assert not report
    assert report.loaded == 9
    assert str(report) == "all 9 weights fit"
    assert torch.equal(model.head.weight, source.head.weight)


def test_the_prefix_of_a_wrapper_is_taken_away(source):
    wrapped = nn.Module()
    wrapped.module = source
    assert not load_state_dict(make_model(), wrapped.state_dict(), strict=True)


def test_what_does_not_fit_is_reported_and_left_alone(source):
    model = make_model()
    before = model.head.weight.clone()
    weights = source.state_dict()
    weights["head.weight"] = torch.zeros(7, 3)
    weights["hed.bias"] = weights.pop("head.bias")
    report = load_state_dict(model, weights)
    assert report.missing_keys == ("head.bias",)
    assert report.unexpected_keys == ("hed.bias",)
    assert report.mismatched == (("head.weight", (7, 3), (4, 3)),)
    assert report.loaded == 7
    assert torch.equal(model.head.weight, before)
    assert torch.equal(model.stem.weight, source.stem.weight)
    text = str(report)
    assert "missing in the checkpoint, left as they were (1): head.bias" in text
    assert "head.weight (checkpoint [7, 3], model [4, 3])" in text
    assert "'hed.bias' may be meant for 'head.bias'" in text


def test_strict_raises_the_report(source):
    weights = source.state_dict()
    del weights["stem.weight"]
    with pytest.raises(CheckpointError, match=r"stem\.weight"):
        load_state_dict(make_model(), weights, strict=True)


def test_old_checkpoints_lack_the_counters_of_batch_norm(source):
    weights = source.state_dict()
    del weights["norm.num_batches_tracked"]
    assert not load_state_dict(make_model(), weights, strict=True)


@pytest.mark.parametrize(
    ("rename", "hint"),
    [
        (lambda key: f"backbone.{key}" if "head" not in key else key, r"revise_keys=[('^backbone\.', '')]"),
        (lambda key: key.removeprefix("net."), "revise_keys=[('^', 'net.')]"),
    ],
    ids=["too-much", "too-little"],
)
def test_a_prefix_is_named_as_the_cause(source, rename, hint):
    model = make_model()
    weights = source.state_dict()
    if "net" in hint:
        holder = nn.Module()
        holder.net = model
        holder.extra = nn.Linear(1, 1)
        model = holder
        weights["extra.weight"] = torch.zeros(1, 1)
    report = load_state_dict(model, {rename(key): value for key, value in weights.items()})
    assert hint in str(report)


def test_nothing_that_fits_is_an_error(source):
    with pytest.raises(CheckpointError, match="no weight of the checkpoint fits") as caught:
        load_state_dict(make_model(), {f"a.{key}": value for key, value in source.state_dict().items()})
    assert r"^a\." in str(caught.value)


def test_two_keys_of_one_name_are_an_error():
    with pytest.raises(CheckpointError, match="the same name: w"):
        load_state_dict(make_model(), {"w": torch.zeros(1), "module.w": torch.zeros(1)})


def test_values_that_are_no_tensors_are_reported(source):
    weights = {**source.state_dict(), "head.bias": "text"}
    report = load_state_dict(make_model(), weights)
    assert any("head.bias" in error for error in report.errors)
    assert report.loaded == 8


def test_layer_versions_reach_the_layers(source):
    seen = []

    class Versioned(nn.Linear):
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            seen.append(local_metadata.get("version"))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    model = nn.Sequential(Versioned(1, 1))
    wrapped = nn.Module()
    wrapped.module = nn.Sequential(Versioned(1, 1))
    load_state_dict(model, wrapped.state_dict())
    assert seen == [3]
