from __future__ import annotations

from types import SimpleNamespace

import pytest

from runner.hooks import DistSamplerSeedHook, HookList, ParamSchedulerHook


class Scheduler:
    def __init__(self, by_epoch, need_val_args=False):
        self.by_epoch = by_epoch
        self.steps = []
        if need_val_args:
            self.need_val_args = True

    def step(self, metrics=None):
        self.steps.append(metrics)


@pytest.mark.parametrize("named", [False, True])
def test_schedulers_are_stepped_by_what_they_count(named):
    by_iter, by_epoch, plateau = Scheduler(False), Scheduler(True), Scheduler(True, need_val_args=True)
    schedulers = {"g": [by_iter, by_epoch], "d": [plateau]} if named else [by_iter, by_epoch, plateau]
    runner = SimpleNamespace(param_schedulers=schedulers)
    hooks = HookList([ParamSchedulerHook()])
    for index in range(3):
        hooks.call(runner, "after_train_iter", batch_idx=index, data_batch=None, outputs=None)
    hooks.call(runner, "after_train_epoch")
    hooks.call(runner, "after_val_epoch", metrics={"loss": 1.0})
    hooks.call(runner, "after_val_epoch", metrics=None)
    assert by_iter.steps == [None] * 3
    assert by_epoch.steps == [None]
    assert plateau.steps == [None, {"loss": 1.0}]


@pytest.mark.parametrize("unbuilt", [None, [], {"type": "LinearLR"}, [{"type": "LinearLR"}]])
def test_a_run_that_only_validates_may_have_no_schedulers(unbuilt):
    HookList([ParamSchedulerHook()]).call(
        SimpleNamespace(param_schedulers=unbuilt), "after_val_epoch", metrics={"a": 1.0}
    )


class Sampler:
    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch


def test_the_sampler_is_told_the_epoch():
    first, second, third = Sampler(), Sampler(), Sampler()
    third.sampler = object()
    hooks = HookList([DistSamplerSeedHook()])
    for epoch, loader in enumerate(
        (
            SimpleNamespace(sampler=first, batch_sampler=SimpleNamespace(sampler=Sampler())),
            SimpleNamespace(sampler=object(), batch_sampler=SimpleNamespace(sampler=second)),
            SimpleNamespace(sampler=object(), batch_sampler=third),
            SimpleNamespace(sampler=object(), batch_sampler=None),
        )
    ):
        hooks.call(SimpleNamespace(epoch=epoch, train_loop=SimpleNamespace(dataloader=loader)), "before_train_epoch")
    assert (first.epoch, second.epoch, third.epoch) == (0, 1, 2)
