"""The three averaged models give MMEngine's averages bit for bit, and read and write its state."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from runner import model as ours

theirs = pytest.importorskip("mmengine.model", reason="MMEngine is not installed")


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False))


def train(model: nn.Module, steps: int, *averages: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        model(torch.randn(4, 3, 6, 6, generator=generator))
        for parameter in model.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        for average in averages:
            average.update_parameters(model)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("StochasticWeightAverage", {}),
    ("ExponentialMovingAverage", {}),
    ("ExponentialMovingAverage", {"momentum": 0.3}),
    ("ExponentialMovingAverage", {"momentum": 0.7}),
    ("MomentumAnnealingEMA", {}),
    ("MomentumAnnealingEMA", {"momentum": 0.4, "gamma": 3}),
]


@pytest.mark.parametrize("update_buffers", [False, True])
@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_averages_are_the_same_bits(
    name: str, options: dict[str, Any], interval: int, update_buffers: bool
) -> None:
    model = net()
    options = {**options, "interval": interval, "update_buffers": update_buffers}
    mine, other = getattr(ours, name)(model, **options), getattr(theirs, name)(model, **options)
    for steps in (1, 1, 1, 40):
        train(model, steps, mine, other)
        one, two = mine.state_dict(), other.state_dict()
        assert one.keys() == two.keys()
        for key, value in two.items():
            assert torch.equal(one[key], value), key
            assert one[key].dtype == value.dtype
    assert isinstance(mine.steps, int)


@pytest.mark.parametrize("name", dict(CASES))
def test_each_loads_the_others_state(name: str) -> None:
    model = net()
    mine, other = getattr(ours, name)(model), getattr(theirs, name)(model)
    train(model, 5, mine)
    other.load_state_dict(mine.state_dict())
    mine = getattr(ours, name)(model)
    mine.load_state_dict(other.state_dict())
    assert mine.steps == 5
    train(model, 5, mine, other)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in mine.state_dict().items())


@pytest.mark.parametrize("update_buffers", [False, True])
def test_it_may_be_copied_cast_and_loaded_in_between(update_buffers: bool) -> None:
    model = net()
    mine = ours.ExponentialMovingAverage(model, momentum=0.3, update_buffers=update_buffers)
    train(model, 2, mine)
    copied = copy.deepcopy(mine)
    other = ours.ExponentialMovingAverage(model, momentum=0.3, update_buffers=update_buffers)
    other.load_state_dict(copy.deepcopy(mine.state_dict()), assign=True)
    mine.to(torch.float32).half().float()
    mine.load_state_dict(copied.state_dict())
    train(model, 3, mine, copied, other)
    for key, value in mine.state_dict().items():
        assert torch.equal(copied.state_dict()[key], value), key
        assert torch.equal(other.state_dict()[key], value), key
    assert not torch.equal(mine.module[0].weight, model[0].weight)
