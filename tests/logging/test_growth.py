"""Logging costs as much late in a run as early: counted in values and bytes, not in seconds."""

from __future__ import annotations

import json

import torch

from runner.logging import LogProcessor, MessageHub


def train(hub, runner, steps, begin=0):
    """Record two scalars a step, and log every ten; what was read back last."""
    processor = LogProcessor(
        custom_cfg=[
            {"data_src": "loss", "log_name": "in_epoch", "method_name": "mean", "window_size": "epoch"},
            {"data_src": "loss", "log_name": "lowest", "method_name": "min", "window_size": "global"},
            {"data_src": "loss", "log_name": "overall", "method_name": "mean", "window_size": "global"},
        ]
    )
    runner.message_hub, tag = hub, {}
    loss = torch.ones(()).requires_grad_()
    for step in range(begin, begin + steps):
        if step % 1000 == 0:
            hub.start_epoch("train")
        hub.update_scalar("train/loss", loss * step)
        hub.update_scalar("train/lr", 0.1)
        if step % 10 == 9:
            runner.iter = step
            tag, _ = processor.get_log_after_iter(runner, step % 1000, "train")
    return tag


def held(hub):
    return sum(len(each._values) + len(each._new_values) for each in hub.log_scalars.values())


def test_what_is_kept_and_saved_does_not_grow(runner):
    hub = MessageHub()
    train(hub, runner, 3000)
    early, saved = held(hub), len(json.dumps(hub.state_dict()))
    tag = train(hub, runner, 12_000, begin=3000)
    assert held(hub) <= 2 * 2000
    assert early <= 2 * 2000
    # Numbers have more digits later.
    assert len(json.dumps(hub.state_dict())) <= 1.15 * saved
    assert (tag["in_epoch"], tag["lowest"], tag["overall"]) == (14_499.5, 0, 7499.5)


def test_a_step_does_not_touch_what_was_recorded_before(runner):
    """The work of a step is what Python calls: as many calls at the end as at the beginning."""
    import sys

    hub, calls = MessageHub(), []

    def count(frame, event, argument):
        calls[-1] += 1

    def counted(begin):
        calls.append(0)
        sys.setprofile(count)
        try:
            train(hub, runner, 2000, begin)
        finally:
            sys.setprofile(None)

    counted(0)
    counted(2000)
    train(hub, runner, 10_000, 4000)
    counted(14_000)
    assert calls[2] <= 1.02 * calls[1]
