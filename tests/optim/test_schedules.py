"""The six schedules: MMEngine's values, their closed forms, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from runner import optim
from runner.errors import BuildError
from runner.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper, PolyLR, StepLR, _ParamScheduler

GOLDEN = json.loads((Path(__file__).parent / "schedules_of_mmengine.json").read_text(encoding="utf-8"))["cases"]


def parameter():
    return torch.nn.Parameter(torch.zeros(1))


def make_optimizer(kind="SGD", rates=(0.1,), **options):
    groups = [{"params": [parameter()], "lr": rate} for rate in rates]
    if kind == "SGD":
        options.setdefault("momentum", 0.9)
    return getattr(torch.optim, kind)(groups, lr=0.1, **options)


def build(spec, optimizer, epoch_length=None):
    spec = dict(spec)
    cls = getattr(optim, spec.pop("type"))
    if spec.pop("convert_to_iter_based", False):
        return cls.build_iter_from_epoch(optimizer, epoch_length=epoch_length, **spec)
    return cls(optimizer, **spec)


def steps(schedulers, epochs, epoch_length):
    """Step as a run does; yields at the start and after each iteration."""
    yield
    for _ in range(epochs):
        for batch in range(epoch_length):
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
            if batch == epoch_length - 1:
                for scheduler in schedulers:
                    if scheduler.by_epoch:
                        scheduler.step()
            yield


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_values_are_mmengines_bit_for_bit(case):
    wrapper = OptimWrapper(make_optimizer(case["optimizer"], rates=(0.1, 0.02), weight_decay=0.05))
    schedulers = [build(spec, wrapper, case["epoch_length"]) for spec in case["schedulers"]]
    values = [
        [
            [group[case["watched"]], group["momentum"] if "momentum" in group else group["betas"][0]]
            for group in wrapper.param_groups
        ]
        for _ in steps(schedulers, case["epochs"], case["epoch_length"])
    ]
    assert values == case["values"]


@pytest.mark.parametrize(
    ("spec", "closed"),
    [
        ({"type": "ConstantLR", "factor": 0.5, "end": 6}, lambda t: 0.05 if t < 5 else 0.1),
        ({"type": "LinearLR", "start_factor": 0.1, "end": 11}, lambda t: 0.1 * (0.1 + 0.9 * min(t, 10) / 10)),
        ({"type": "StepLR", "step_size": 3, "gamma": 0.5}, lambda t: 0.1 * 0.5 ** (t // 3)),
        ({"type": "MultiStepLR", "milestones": [2, 7]}, lambda t: 0.1 * 0.1 ** ((t >= 2) + (t >= 7))),
        ({"type": "CosineAnnealingLR", "T_max": 20}, lambda t: 0.05 * (1 + math.cos(math.pi * t / 20))),
        (
            {"type": "CosineAnnealingLR", "end": 20, "eta_min_ratio": 0.5},
            lambda t: 0.05 + 0.025 * (1 + math.cos(math.pi * min(t, 19) / 20)),
        ),
        (
            {"type": "PolyLR", "power": 2.0, "eta_min": 0.01, "end": 11},
            lambda t: 0.01 + 0.09 * (1 - min(t, 10) / 10) ** 2,
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_closed_form(spec, closed):
    optimizer = make_optimizer()
    scheduler = build(spec, optimizer)
    for step in range(15):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(closed(step), rel=1e-12)
        assert scheduler.get_last_value() == [optimizer.param_groups[0]["lr"]]
        scheduler.step()


def test_a_window_leaves_the_value_alone_before_and_after():
    optimizer = make_optimizer()
    scheduler = StepLR(optimizer, step_size=1, gamma=0.5, begin=2, end=5)
    seen = [optimizer.param_groups[0]["lr"] for _ in steps([scheduler], 7, 1)]
    assert seen == [0.1, 0.1, 0.1, 0.05, 0.025, 0.025, 0.025, 0.025]


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ({"type": "StepLR", "step_size": 2, "end": 6}, {"step_size": 20, "end": 60}),
        (
            {"type": "MultiStepLR", "milestones": [1, 2], "begin": 1},
            {"milestones": [10, 20], "begin": 10, "end": 10**9},
        ),
        ({"type": "CosineAnnealingLR", "T_max": 3}, {"T_max": 30}),
        ({"type": "CosineAnnealingLR", "end": 3}, {"T_max": 30, "end": 30}),
        ({"type": "PolyLR", "end": 3}, {"total_iters": 29, "by_epoch": False}),
    ],
)
def test_epochs_become_iterations(spec, shape):
    scheduler = build({**spec, "convert_to_iter_based": True}, make_optimizer(), epoch_length=10)
    assert shape.items() <= scheduler.shape().items()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: LinearLR(o, begin=3, end=3), "begin=3, end=3"),
        (lambda o: LinearLR(o, begin=-1), "begin=-1"),
        (lambda o: LinearLR(o, start_factor=0), "start_factor must be above 0"),
        (lambda o: LinearLR(o, end_factor=1.5), "end_factor must be between 0 and 1"),
        (lambda o: optim.ConstantLR(o, factor=-0.1), "factor must be between 0 and 1"),
        (lambda o: StepLR(o, step_size=0), "step_size must be at least 1"),
        (lambda o: CosineAnnealingLR(o, T_max=0), "T_max must be at least 1"),
        (lambda o: CosineAnnealingLR(o, eta_min=0.1, eta_min_ratio=0.1), "eta_min or eta_min_ratio, not both"),
        (lambda o: optim.StepParamScheduler(o, "momentum", 1), "no 'momentum' to schedule; it has lr"),
        (optim.LinearMomentum, "'momentum' or 'betas'"),
        (lambda o: PolyLR(o, last_step=3), "no 'initial_lr'"),
        (lambda o: PolyLR("SGD"), "needs an optimizer"),
        (PolyLR.build_iter_from_epoch, "number of iterations in an epoch"),
        (lambda o: PolyLR.build_iter_from_epoch(o, by_epoch=False, epoch_length=2), "by_epoch: false"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(BuildError, match=message):
        make(torch.optim.Adagrad([parameter()], lr=0.1))


def test_a_factor_of_zero_freezes_for_a_while():
    optimizer = make_optimizer()
    scheduler = optim.ConstantLR(optimizer, factor=0, end=3)
    assert [optimizer.param_groups[0]["lr"] for _ in steps([scheduler], 4, 1)] == [0, 0, 0.1, 0.1, 0.1]


def test_a_learning_rate_that_is_a_tensor_stays_that_tensor():
    rate = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([parameter()], lr=rate)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.5)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.05)
    assert scheduler.base_values[0].item() == pytest.approx(0.1)


def test_the_optimizer_is_left_as_it_was():
    optimizer = make_optimizer()
    before = optimizer.step
    MultiStepLR(optimizer, milestones=[1]).step()
    assert optimizer.step == before
    assert "_global_step" not in vars(optimizer)


def test_mmengines_positional_arguments_of_a_subclass():
    class HalfEachStep(_ParamScheduler):
        def _get_value(self):
            return [group[self.param_name] / 2 for group in self.optimizer.param_groups]

    optimizer = make_optimizer()
    scheduler = HalfEachStep(optimizer, "lr", 0, 3)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)
    with pytest.raises(NotImplementedError):
        _ParamScheduler(optimizer, "lr")


def test_verbose_logs_each_value(log):
    StepLR(make_optimizer(), step_size=1, gamma=0.5, verbose=True).step()
    assert "lr of group 0 is now 1.0000e-01" in log()
    assert "lr of group 0 is now 5.0000e-02" in log()
