"""The schedules: MMEngine's values, their closed forms, and what is refused."""

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


def mmcvs_cycle(step, steps, turn, last, up, gamma):
    cycle, place = step // steps, step % steps
    scale, first = gamma**cycle, int(up * steps)
    turn = 1 - scale + turn * scale
    start, end, share = (1, turn, place / first) if place < first else (turn, last, (place - first) / (steps - first))
    return end + 0.5 * (start - end) * (math.cos(math.pi * share) + 1)


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
        ({"type": "ExponentialLR", "gamma": 0.9}, lambda t: 0.1 * 0.9**t),
        (
            {"type": "CosineRestartLR", "periods": [4, 8], "restart_weights": [1, 0.5], "eta_min": 0.01},
            lambda t: (
                0.01 + 0.09 * (1 + math.cos(math.pi * t / 4)) / 2
                if t < 4
                else 0.01 + 0.04 * (1 + math.cos(math.pi * min(t - 4, 7) / 8)) / 2
            ),
        ),
        ({"type": "InverseLR", "gamma": 0.5, "power": 0.75}, lambda t: 0.1 * (1 + 0.5 * t) ** -0.75),
        # What transformers calls get_inverse_sqrt_schedule, with and without a timescale.
        (
            {"type": "InverseSqrtLR", "warmup_steps": 5, "timescale": 3},
            lambda t: 0.1 * t / 5 if t < 5 else 0.1 / math.sqrt((t + 3 - 5) / 3),
        ),
        (
            {"type": "InverseSqrtLR", "warmup_steps": 5},
            lambda t: 0.1 * t / 5 if t < 5 else 0.1 / math.sqrt(t / 5),
        ),
        ({"type": "InverseSqrtLR"}, lambda t: 0.1 / math.sqrt((t + 10_000) / 10_000)),
        # What it calls get_wsd_schedule.
        (
            {
                "type": "WarmupStableDecayLR",
                "warmup_steps": 3,
                "decay_steps": 4,
                "end": 12,
                "decay_type": "cosine",
                "eta_min_ratio": 0.1,
            },
            lambda t: (
                0.1 * (0.1 + 0.9 * t / 3)
                if t < 3
                else 0.1
                if t < 8
                else 0.1 * (0.1 + 0.9 * (1 + math.cos(math.pi * min(t - 8, 3) / 4)) / 2)
            ),
        ),
        (
            {"type": "WarmupStableDecayLR", "decay_steps": 4, "stable_steps": 5, "decay_type": "1-sqrt"},
            lambda t: 0.1 if t < 5 else 0.1 * (1 - math.sqrt(min(t - 5, 4) / 4)),
        ),
        (
            {"type": "WarmupStableDecayLR", "decay_steps": 4, "warmup_steps": 2, "end": 10, "decay_type": "linear"},
            lambda t: 0.1 * t / 2 if t < 2 else 0.1 if t < 6 else 0.1 * (1 - min(t - 6, 3) / 4),
        ),
        # MMCV 1.7.2's CyclicLrUpdaterHook.
        (
            {"type": "CyclicLR", "target_ratio": (10, 0.1), "cyclic_times": 2, "gamma": 0.5, "end": 15},
            lambda t: 0.1 * mmcvs_cycle(t, steps=7, turn=10, last=0.1, up=0.4, gamma=0.5),
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


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_cycles_of_lines_are_torchs(gamma):
    optimizers = [make_optimizer(), make_optimizer()]
    cyclic = optim.CyclicLR(
        optimizers[0], [4, 1], cyclic_times=3, step_ratio_up=0.3, anneal_strategy="linear", gamma=gamma, end=60
    )
    mode = "triangular" if gamma == 1 else "triangular2"
    reference = torch.optim.lr_scheduler.CyclicLR(
        optimizers[1], 0.1, 0.4, step_size_up=6, step_size_down=14, mode=mode, cycle_momentum=False
    )
    seen = set()
    for step in range(60):
        one, other = (optimizer.param_groups[0]["lr"] for optimizer in optimizers)
        assert one == pytest.approx(other, rel=1e-12), step
        seen.add(other)
        optimizers[1].step()
        cyclic.step()
        reference.step()
    assert max(seen) == pytest.approx(0.4)


def test_one_cycle_is_torchs():
    optimizers = [make_optimizer(), make_optimizer()]
    cycle = optim.OneCycleLR(optimizers[0], eta_max=1.0, end=50)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizers[1], 1.0, total_steps=50, cycle_momentum=False)
    for step in range(49):
        one, other = (optimizer.param_groups[0]["lr"] for optimizer in optimizers)
        assert one == pytest.approx(other, rel=1e-12), step
        optimizers[1].step()
        cycle.step()
        reference.step()


def test_a_phase_without_length_is_passed_over():
    optimizer = make_optimizer()
    optim.OneCycleLR(optimizer, eta_max=1.0, pct_start=0.1, end=10)
    assert optimizer.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "InverseSqrt", "warmup_steps": 4},
        {"type": "WarmupStableDecay", "warmup_steps": 4, "decay_steps": 5, "eta_min_ratio": 0.2},
        {"type": "Inverse", "gamma": 0.1},
        {"type": "Cyclic", "cyclic_times": 2, "target_ratio": (1.05, 0.5)},
    ],
    ids=lambda spec: spec["type"],
)
@pytest.mark.parametrize(("kind", "momentum"), [("SGD", lambda g: g["momentum"]), ("AdamW", lambda g: g["betas"][0])])
def test_a_factor_is_that_of_any_value(spec, kind, momentum):
    optimizers = [make_optimizer(kind, **({} if kind == "SGD" else {"betas": (0.8, 0.9)})) for _ in range(3)]
    factors = []
    for optimizer, target, more in zip(
        optimizers, ("LR", "Momentum", "ParamScheduler"), ({}, {}, {"param_name": "weight_decay"}), strict=True
    ):
        group = optimizer.param_groups[0]
        group["weight_decay"] = 0.3
        read = {"LR": lambda g: g["lr"], "Momentum": momentum, "ParamScheduler": lambda g: g["weight_decay"]}[target]
        base = read(group)
        scheduler = build({**spec, "type": spec["type"] + target, **more, "end": 20}, optimizer)
        seen = []
        for _ in range(20):
            seen.append(read(group) / base)
            scheduler.step()
        factors.append(seen)
    assert factors[1] == pytest.approx(factors[0], rel=1e-12)
    assert factors[2] == pytest.approx(factors[0], rel=1e-12)
    assert len(set(factors[0])) > 5


def test_momentum_cycles_below_its_base_by_default():
    optimizer = make_optimizer(momentum=0.95)
    seen = [optimizer.param_groups[0]["momentum"] for _ in steps([optim.CyclicMomentum(optimizer, end=20)], 19, 1)]
    assert (min(seen), seen[0]) == (pytest.approx(0.85), pytest.approx(0.95))


def test_a_warm_up_and_a_decay_by_the_inverse_square_root_chain():
    optimizer = make_optimizer()
    chain = [
        LinearLR(optimizer, start_factor=0.1, by_epoch=False, end=5),
        optim.InverseSqrtLR(optimizer, timescale=4, by_epoch=False, begin=5),
    ]
    seen = [optimizer.param_groups[0]["lr"] for _ in steps(chain, 1, 12)]
    assert seen[4] == pytest.approx(0.1)
    assert seen[5:] == pytest.approx([0.1 / math.sqrt((t + 4) / 4) for t in range(8)])


class TestPlateau:
    def reduce(self, metrics, **options):
        optimizer = make_optimizer()
        scheduler = optim.ReduceOnPlateauLR(optimizer, monitor="loss", **options)
        rates = []
        for metric in metrics:
            scheduler.step()
            scheduler.step({"loss": metric})
            rates.append(optimizer.param_groups[0]["lr"])
        return rates, scheduler

    def test_it_waits_for_patience_validations(self):
        rates, _ = self.reduce([1.0, 1.0, 1.0, 0.5, 0.5, 0.5], patience=1, factor=0.5)
        assert rates == [0.1, 0.1, 0.05, 0.05, 0.05, 0.025]

    def test_a_metric_on_the_device_is_a_number_like_others(self):
        rates, scheduler = self.reduce([torch.tensor(1.0), torch.tensor(2.0)], patience=0, factor=0.5)
        assert rates == [0.1, 0.05]
        assert type(scheduler.state_dict()["best"]) is float

    def test_nothing_is_decided_outside_of_its_window(self):
        rates, scheduler = self.reduce([1.0] * 6, patience=0, factor=0.5, begin=2, end=4)
        assert rates == [0.1, 0.1, 0.05, 0.05, 0.05, 0.05]
        assert scheduler.last_step == 1

    def test_momentum_follows_the_metrics_too(self):
        optimizer = make_optimizer("AdamW")
        scheduler = optim.ReduceOnPlateauMomentum(optimizer, patience=0, factor=0.5)
        for _ in range(2):
            scheduler.step()
            scheduler.step({"loss": 1.0})
        assert optimizer.param_groups[0]["betas"] == (0.45, 0.999)

    def test_another_metric_is_named(self):
        with pytest.raises(BuildError, match="monitors 'loss', and the validation yields accuracy/top1, val_loss"):
            optim.ReduceOnPlateauLR(make_optimizer()).step({"accuracy/top1": 1.0, "val_loss": 2.0})

    def test_a_saved_position_replaces_a_later_one(self):
        _, scheduler = self.reduce([1.0], patience=3)
        state = scheduler.state_dict()
        for metric in (0.9, 2.0, 2.0):
            scheduler.step()
            scheduler.step({"loss": metric})
        scheduler.load_state_dict(state)
        assert scheduler.state_dict() == state


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
        ({"type": "OneCycleLR", "eta_max": 1.0, "total_steps": 3, "end": 3}, {"total_steps": 30}),
        (
            {"type": "CosineRestartLR", "periods": [1, 2], "restart_weights": [1, 1], "eta_min": 0},
            {"periods": [10, 20]},
        ),
        ({"type": "InverseSqrtLR", "warmup_steps": 2}, {"warmup_steps": 20, "timescale": 20}),
        (
            {"type": "WarmupStableDecayLR", "warmup_steps": 1, "decay_steps": 2, "end": 9},
            {"warmup_steps": 10, "stable_steps": 60, "decay_steps": 20},
        ),
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
        (lambda o: optim.CosineRestartLR(o, [3]), "eta_min or eta_min_ratio, one of the two"),
        (lambda o: optim.CosineRestartLR(o, [3, 3], eta_min=0), "2 periods and 1 restart_weights"),
        (lambda o: optim.OneCycleLR(o, eta_max=1, total_steps=5, end=7), "leave total_steps out, or give end=5"),
        (lambda o: optim.OneCycleLR(o, eta_max=[1, 2]), "2 values, and there are 1 parameter groups"),
        (lambda o: optim.OneCycleLR(o, pct_start=1.5), "pct_start must be from 0 to 1"),
        (lambda o: optim.OneCycleLR(o, anneal_strategy="sine"), "'cos' or 'linear', got 'sine'"),
        (lambda o: optim.OneCycleLR(o, total_steps=0), "total_steps must be at least 1"),
        (lambda o: optim.OneCycleParamScheduler(o, "momentum"), "one cycle is for 'lr'"),
        (lambda o: optim.ReduceOnPlateauLR(o, by_epoch=False), "by_epoch: false has no meaning here"),
        (lambda o: optim.ReduceOnPlateauLR(o, factor=1.0), "factor must be at least 0 and below 1"),
        (lambda o: optim.ReduceOnPlateauLR(o, threshold=-1), "threshold must be at least 0"),
        (lambda o: optim.ReduceOnPlateauLR(o, rule="max"), "'less' or 'greater'"),
        (lambda o: optim.ReduceOnPlateauLR(o, min_value=[0, 0]), "2 values, and there are 1 parameter groups"),
        (lambda o: optim.ReduceOnPlateauLR.build_iter_from_epoch(o, epoch_length=3), "leave convert_to_iter_based out"),
        (optim.CyclicLR, "give end"),
        (lambda o: optim.CyclicLR(o, cyclic_times=8, end=7), "8 cycles do not fit into a window of 7 steps"),
        (lambda o: optim.CyclicLR(o, [1, 2, 3], end=7), "one number or two"),
        (lambda o: optim.CyclicLR(o, step_ratio_up=1, end=7), "below 1"),
        (lambda o: optim.CyclicLR(o, anneal_strategy="sine", end=7), "'cos' or 'linear'"),
        (lambda o: optim.WarmupStableDecayLR(o, 3), "give one of the two"),
        (lambda o: optim.WarmupStableDecayLR(o, 3, 5, end=7), "do not fit into a window of 7"),
        (lambda o: optim.WarmupStableDecayLR(o, 3, decay_type="sqrt", end=7), "decay_type must be one of"),
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
