"""Steps without torch's wrapper: the same numbers, and whoever looks on sees what torch would have shown."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from runner.optim import OptimWrapper


def make_wrapper(kind=torch.optim.SGD):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    return model, OptimWrapper(kind(model.parameters(), lr=0.1))


def update(model, wrapper):
    wrapper.update_params(model(torch.ones(1, 3)).sum())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_numbers_are_those_of_the_wrapped_step(kind):
    model, wrapper = make_wrapper(kind)
    other = copy.deepcopy(model)
    optimizer = kind(other.parameters(), lr=0.1)
    for _ in range(3):
        update(model, wrapper)
        other(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(map(torch.equal, model.parameters(), other.parameters()))
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("of_all", [False, True])
def test_hooks_of_an_optimizer_are_called(of_all):
    model, wrapper = make_wrapper()
    seen = []
    before = register_optimizer_step_pre_hook if of_all else wrapper.optimizer.register_step_pre_hook
    after = register_optimizer_step_post_hook if of_all else wrapper.optimizer.register_step_post_hook
    handles = [before(lambda *_: seen.append("before")), after(lambda *_: seen.append("after"))]
    update(model, wrapper)
    for handle in handles:
        handle.remove()
    update(model, wrapper)
    assert seen == ["before", "after"]


def test_a_profiler_sees_steps():
    model, wrapper = make_wrapper()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        update(model, wrapper)
    names = {event.key for event in profile.key_averages()}
    assert {"Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"} <= names


def test_a_step_that_somebody_replaced_is_called(monkeypatch):
    model, wrapper = make_wrapper()
    calls = []
    wrapper.optimizer.step = lambda: calls.append("of the instance")
    update(model, wrapper)
    del wrapper.optimizer.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda _: calls.append("of the class"))
    update(model, wrapper)
    assert calls == ["of the instance", "of the class"]
