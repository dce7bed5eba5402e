"""The wrapper's numbers are those of a loop written by hand, and its windows are exact."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from runner.errors import BuildError
from runner.optim import OptimWrapper, build_optim_wrapper

OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.01),
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make_model():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def batches(count):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        yield torch.randn(5, 6, generator=generator), torch.randint(3, (5,), generator=generator)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def train(model, wrapper, data):
    torch.manual_seed(2)
    losses = []
    for inputs, targets in data:
        with wrapper.optim_context(model):
            loss = nn.functional.cross_entropy(model(inputs), targets)
        wrapper.update_params(loss)
        losses.append(loss.detach())
    return losses


def train_by_hand(model, optimizer, data, window=1, clip=None, total=None):
    torch.manual_seed(2)
    losses = []
    for number, (inputs, targets) in enumerate(data):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        losses.append(loss.detach())
        length = total % window if total is not None and number >= total - total % window else window
        (loss / length).backward()
        if (number + 1) % window == 0 or number + 1 == total:
            if clip is not None:
                clip(model.parameters())
            optimizer.step()
            optimizer.zero_grad()
    return losses


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize(
    ("clip_grad", "by_hand"),
    [
        (None, None),
        ({"max_norm": 0.5}, lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.5)),
        ({"type": "norm", "max_norm": 0.1, "norm_type": "inf"}, lambda p: nn.utils.clip_grad_norm_(p, 0.1, "inf")),
        ({"type": "value", "clip_value": 0.01}, lambda parameters: nn.utils.clip_grad_value_(parameters, 0.01)),
    ],
    ids=["none", "norm", "inf-norm", "value"],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_numbers_are_torchs(optimizer, clip_grad, by_hand, window):
    model = make_model()
    other = copy.deepcopy(model)
    wrapper = OptimWrapper(OPTIMIZERS[optimizer](model.parameters()), window, clip_grad)
    wrapper.initialize_count_status(nn.Identity(), 0, 22)
    losses = train(model, wrapper, batches(22))
    expected = train_by_hand(other, OPTIMIZERS[optimizer](other.parameters()), batches(22), window, by_hand, total=22)
    assert all(map(torch.equal, losses, expected))
    assert same(model, other)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_clipping_options_are_not_used_up():
    options = {"type": "value", "clip_value": 1.0}
    for _ in range(2):
        OptimWrapper(OPTIMIZERS["sgd"]([nn.Parameter(torch.zeros(1))]), clip_grad=options)
    assert options == {"type": "value", "clip_value": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_nrm": 1.0}, "no option 'max_nrm'; did you mean 'max_norm'"),
        ({}, "needs 'max_norm'"),
        ({"type": "norms", "max_norm": 1.0}, "must be 'norm' or 'value', got 'norms'"),
        ({"type": "value", "max_norm": 1.0}, "type 'value' has no option 'max_norm'.*Allowed: clip_value, foreach"),
        ({"max_norm": "1"}, "max_norm must be a number, got '1'"),
        ({"max_norm": 0}, "max_norm must be above 0"),
        ({"max_norm": 1.0, "norm_type": "two"}, "norm_type must be a number"),
        (1.0, "must be a mapping, got 1.0"),
    ],
)
def test_clipping_options_are_checked_at_once(options, message):
    with pytest.raises(BuildError, match=message):
        OptimWrapper(OPTIMIZERS["sgd"]([nn.Parameter(torch.zeros(1))]), clip_grad=options)


@pytest.mark.parametrize("counts", [0, -1, 1.5, True, "2"])
def test_a_window_has_a_whole_length(counts):
    with pytest.raises(BuildError, match="accumulative_counts must be an integer of at least 1"):
        OptimWrapper(OPTIMIZERS["sgd"]([nn.Parameter(torch.zeros(1))]), accumulative_counts=counts)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(BuildError, match="must be a torch optimizer"):
        OptimWrapper({"type": "SGD"})


class Hub:
    def __init__(self):
        self.seen = []

    def update_scalar(self, key, value):
        self.seen.append((key, value))


def test_the_norm_is_recorded_as_a_tensor():
    model = make_model()
    wrapper = OptimWrapper(OPTIMIZERS["sgd"](model.parameters()), 2, {"max_norm": 0.5})
    assert wrapper.grad_norm is None
    wrapper.message_hub = Hub()
    train(model, wrapper, batches(6))
    assert [key for key, _ in wrapper.message_hub.seen] == ["train/grad_norm"] * 3
    assert wrapper.message_hub.seen[-1][1] is wrapper.grad_norm
    assert isinstance(wrapper.grad_norm, torch.Tensor)


class NoReads(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten._local_scalar_dense.default, "a tensor was read as a number"
        return func(*args, **(kwargs or {}))


def test_a_step_reads_no_tensor():
    model = make_model()
    wrapper = OptimWrapper(OPTIMIZERS["sgd"](model.parameters()), 2, {"max_norm": 0.5})
    with NoReads():
        train(model, wrapper, batches(10))


@pytest.mark.parametrize("stop", [5, 6, 21])
def test_a_window_goes_on_where_it_was_left(stop):
    data = list(batches(22))
    model = make_model()
    model[3].p = 0.0
    wrapper = OptimWrapper(OPTIMIZERS["sgd"](model.parameters()), 4)
    wrapper.initialize_count_status(nn.Identity(), 0, 22)
    train(model, wrapper, data[:stop])
    assert wrapper.inside_window
    other = copy.deepcopy(model)
    for ours, theirs in zip(other.parameters(), model.parameters(), strict=True):
        ours.grad = None if theirs.grad is None else theirs.grad.clone()
    resumed = OptimWrapper(OPTIMIZERS["sgd"](other.parameters()), 4)
    resumed.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    resumed.initialize_count_status(nn.Identity(), 0, 22)
    resumed.load_count_state(wrapper.count_state())
    assert resumed.inner_count == stop
    train(model, wrapper, data[stop:])
    train(other, resumed, data[stop:])
    assert same(model, other)
    assert not resumed.inside_window


def test_gradients_of_a_window_that_grew_are_scaled_to_it():
    """A run of 6 that ends in a window of 2 is raised to 8, where that window has 4."""
    parameter = nn.Parameter(torch.zeros(2))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), 4)
    wrapper.initialize_count_status(nn.Identity(), 0, 6)
    for _ in range(5):
        wrapper.update_params(parameter.sum())
    assert parameter.grad.tolist() == [0.5, 0.5]
    state = wrapper.count_state()
    assert state == {"inner_count": 5, "window_length": 2}
    wrapper.initialize_count_status(nn.Identity(), 0, 8)
    wrapper.load_count_state(state)
    assert parameter.grad.tolist() == [0.25, 0.25]


def test_lost_gradients_are_named(log):
    parameter = nn.Parameter(torch.zeros(2))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), 4)
    wrapper.load_count_state({"inner_count": 6, "window_length": 4})
    assert "after 2 of the 4 losses" in log()


def test_batch_norm_and_accumulation_are_named(log):
    model = make_model()
    OptimWrapper(OPTIMIZERS["sgd"](model.parameters())).initialize_count_status(model, 0, 10)
    assert not log()
    OptimWrapper(OPTIMIZERS["sgd"](model.parameters()), 4).initialize_count_status(model, 0, 10)
    assert "batch norm" in log()


def test_more_losses_than_were_announced_still_make_whole_windows():
    """A loop that trains each batch twice back-propagates twice as many losses as it has iterations."""
    parameter = nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0), 2)
    wrapper.initialize_count_status(nn.Identity(), 0, 4)
    for _ in range(8):
        wrapper.update_params(parameter.sum())
    assert parameter.item() == -4.0


def test_gradients_are_shared_only_at_the_end_of_a_window():
    class Wrapped(nn.Linear):
        entered = 0

        def no_sync(self):
            self.entered += 1
            return torch.no_grad()

    model = Wrapped(2, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), 3)
    wrapper.initialize_count_status(model, 0, 5)
    enabled = []
    for _ in range(5):
        with wrapper.optim_context(model):
            enabled.append(torch.is_grad_enabled())
        wrapper.update_params(model(torch.ones(1, 2)).sum())
    assert enabled == [False, False, True, False, True]
    assert model.entered == 3


def test_step_and_zero_arguments_reach_the_optimizer():
    seen = []

    class Recorder(torch.optim.SGD):
        def step(self, closure=None, *, tag=None):
            seen.append(tag)
            return super().step(closure)

        def zero_grad(self, set_to_none=True):
            seen.append(set_to_none)
            super().zero_grad(set_to_none)

    parameter = nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(Recorder([parameter], lr=0.1))
    wrapper.update_params(parameter.sum(), step_kwargs={"tag": "here"}, zero_kwargs={"set_to_none": False})
    assert parameter.grad.item() == 0
    wrapper.update_params(parameter.sum())
    assert parameter.grad is None
    assert seen == ["here", False, None, True]


def test_the_optimizer_is_looked_through():
    parameter = nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.Adam([parameter], lr=0.1))
    assert wrapper.state is wrapper.optimizer.state
    assert wrapper.defaults["lr"] == 0.1
    assert wrapper.param_groups is wrapper.optimizer.param_groups
    assert wrapper.get_lr() == {"lr": [0.1]}
    assert wrapper.get_momentum() == {"momentum": [0.9]}
    assert "Type: OptimWrapper" in repr(wrapper)
    with pytest.raises(AttributeError, match="neither OptimWrapper nor its optimizer Adam has 'leraning_rate'"):
        _ = wrapper.leraning_rate


def test_a_wrapper_can_be_copied_and_pickled():
    wrapper = OptimWrapper(torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.1), clip_grad={"max_norm": 1.0})
    for copied in (pickle.loads(pickle.dumps(wrapper)), copy.deepcopy(wrapper)):
        assert copied.get_lr() == {"lr": [0.1]}


def test_several_groups_keep_the_rate_that_they_derive_from():
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.3, 0.2)]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=0.1, momentum=0.5))
    assert wrapper.get_lr() == {"base_lr": [0.1], "lr": [0.3, 0.2]}
    wrapper.scale_lr(2)
    state = copy.deepcopy(wrapper.state_dict())
    assert state["base_param_settings"]["lr"] == 0.2
    other = OptimWrapper(torch.optim.SGD(groups, lr=0.1, momentum=0.5))
    other.load_state_dict(state)
    assert "base_param_settings" in state, "what is loaded is not changed"
    assert other.get_lr() == {"base_lr": [0.2], "lr": [0.6, 0.4]}
    assert other.get_momentum() == {"momentum": [0.5, 0.5]}
    other.param_groups[0]["initial_lr"] = 0.6
    with pytest.raises(BuildError, match="before parameter schedulers are built"):
        other.scale_lr(2)


def test_a_built_optimizer_is_used_as_it_is():
    model = make_model()
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    wrapper = build_optim_wrapper(model, {"optimizer": optimizer, "accumulative_counts": 2})
    assert wrapper.optimizer is optimizer
    assert build_optim_wrapper(model, wrapper) is wrapper
    assert build_optim_wrapper(model, optimizer).optimizer is optimizer
    with pytest.raises(BuildError, match="must be a mapping"):
        build_optim_wrapper(model, "SGD")
