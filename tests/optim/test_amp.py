"""Mixed precision on a CPU: torch's autocast, bit for bit, and a scaler where there is something to scale."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from runner.errors import BuildError
from runner.optim import AmpOptimWrapper, OptimWrapper


@pytest.fixture(autouse=True)
def _seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make_model():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def batches(count):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        yield torch.randn(5, 6, generator=generator), torch.randint(3, (5,), generator=generator)


def train(model, wrapper, count=12):
    torch.manual_seed(2)
    losses = []
    for inputs, targets in batches(count):
        with wrapper.optim_context(model):
            outputs = model(inputs)
            loss = nn.functional.cross_entropy(outputs, targets)
        wrapper.update_params(loss)
        losses.append(loss.detach())
    return losses, outputs.dtype


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize(("dtype", "computes"), [("bfloat16", torch.bfloat16), (None, torch.bfloat16)])
def test_bfloat16_is_torchs_autocast_bit_for_bit(dtype, computes, window):
    model = make_model()
    other = copy.deepcopy(model)
    wrapper = AmpOptimWrapper(
        dtype=dtype, optimizer=sgd(model), clip_grad={"max_norm": 1.0}, accumulative_counts=window
    )
    losses, output_dtype = train(model, wrapper)
    assert output_dtype is computes
    assert not wrapper.loss_scaler.is_enabled()
    optimizer = sgd(other)
    torch.manual_seed(2)
    for number, (inputs, targets) in enumerate(batches(12)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(other(inputs), targets)
        assert torch.equal(loss, losses[number])
        (loss / window).backward()
        if (number + 1) % window == 0:
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    assert same(model, other)


@pytest.mark.parametrize("clip_grad", [None, {"max_norm": 1.0}])
def test_float16_scales_losses_on_a_cpu_too(clip_grad):
    model = make_model()
    other = copy.deepcopy(model)
    wrapper = AmpOptimWrapper("dynamic", "float16", optimizer=sgd(model), clip_grad=clip_grad)
    losses, output_dtype = train(model, wrapper)
    assert output_dtype is torch.float16
    optimizer, scaler = sgd(other), torch.amp.GradScaler("cpu")
    torch.manual_seed(2)
    for number, (inputs, targets) in enumerate(batches(12)):
        with torch.autocast("cpu", dtype=torch.float16):
            loss = nn.functional.cross_entropy(other(inputs), targets)
        assert torch.equal(loss, losses[number])
        scaler.scale(loss).backward()
        if clip_grad is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert same(model, other)
    assert wrapper.state_dict()["loss_scaler"] == scaler.state_dict()


@pytest.mark.parametrize("dtype", ["float32", torch.float32])
def test_float32_leaves_the_forward_pass_as_it_is(dtype):
    model = make_model()
    other = copy.deepcopy(model)
    train(model, AmpOptimWrapper(dtype=dtype, optimizer=sgd(model)))
    train(other, OptimWrapper(sgd(other)))
    assert same(model, other)


def test_an_infinite_gradient_leaves_out_its_update():
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    wrapper = AmpOptimWrapper({"init_scale": 8.0, "growth_interval": 2}, "float16", optimizer=sgd(model))
    wrapper.update_params(model[4].weight.sum() * float("inf"))
    assert torch.equal(model[4].weight, before["4.weight"])
    assert wrapper.loss_scaler.get_scale() == 4.0
    train(model, wrapper, 4)
    assert wrapper.loss_scaler.get_scale() == 16.0


def test_a_number_keeps_the_scale():
    model = make_model()
    wrapper = AmpOptimWrapper(128, "float16", optimizer=sgd(model))
    wrapper.update_params(model[4].weight.sum() * float("inf"))
    assert wrapper.loss_scaler.get_scale() == 128.0


def test_a_scale_that_was_asked_for_is_used_in_any_precision():
    model = make_model()
    assert AmpOptimWrapper(128.0, "bfloat16", optimizer=sgd(model)).loss_scaler.is_enabled()
    assert not AmpOptimWrapper({"enabled": False}, "float16", optimizer=sgd(model)).loss_scaler.is_enabled()


def test_the_scaler_is_in_the_state():
    model = make_model()
    wrapper = AmpOptimWrapper({"init_scale": 8.0, "growth_interval": 3}, "float16", optimizer=sgd(model))
    train(model, wrapper, 4)
    state = copy.deepcopy(wrapper.state_dict())
    other = AmpOptimWrapper(dtype="float16", optimizer=sgd(make_model()))
    other.load_state_dict(state)
    assert other.state_dict()["loss_scaler"] == state["loss_scaler"]
    assert other.loss_scaler.get_scale() == 16.0
    assert "loss_scaler" in state, "what is loaded is not changed"
    AmpOptimWrapper(dtype="bfloat16", optimizer=sgd(make_model())).load_state_dict(state)
    other.load_state_dict(AmpOptimWrapper(dtype="bfloat16", optimizer=sgd(make_model())).state_dict())
    assert other.loss_scaler.get_scale() == 16.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "fp16"}, "dtype must be one of float16, bfloat16, float32, float64, got 'fp16'"),
        ({"loss_scale": "static"}, "loss_scale must be 'dynamic', a number or a mapping"),
        ({"loss_scale": {"init_scal": 1.0}}, "no option 'init_scal'; did you mean 'init_scale'"),
        ({"loss_scale": 0}, "loss_scale must be above 0"),
    ],
)
def test_options_are_checked_at_once(options, message):
    with pytest.raises(BuildError, match=message):
        AmpOptimWrapper(optimizer=sgd(make_model()), **options)


def test_a_device_without_mixed_precision_is_named():
    parameter = nn.Parameter(torch.zeros(1, device="meta"))
    with pytest.raises(BuildError, match="no mixed precision on meta; use OptimWrapper"):
        AmpOptimWrapper(optimizer=torch.optim.SGD([parameter], lr=0.1))
