"""Every family of schedules beside MMEngine's: the same values over 200 steps, whatever is scheduled and counted."""

from __future__ import annotations

import random

import pytest
import torch

their_optim = pytest.importorskip("mmengine.optim")

from mmengine.optim import scheduler as theirs  # noqa: E402 - after the skip

from runner import optim as ours  # noqa: E402

STEPS = 200
UNITS = {"epoch": (200, 1), "iteration": (20, 10), "converted": (20, 10)}
"""Epochs, and iterations in each."""

FAMILIES = {
    "Step": lambda n: {"step_size": n // 7, "gamma": 0.6},
    "MultiStep": lambda n: {"milestones": [n // 4, n // 2, n // 2], "gamma": 0.3},
    "Constant": lambda n: {"factor": 0.3},
    "Linear": lambda n: {"start_factor": 0.1, "end_factor": 0.7},
    "Exponential": lambda n: {"gamma": 0.97},
    "CosineAnnealing": lambda n: {"eta_min": 0.001},
    "CosineAnnealing, to a part, and up again": lambda n: {"eta_min_ratio": 0.1, "T_max": n // 3},
    "Poly": lambda n: {"eta_min": 0.001, "power": 1.7},
    "OneCycle": lambda n: {"eta_max": 0.5, "pct_start": 0.25},
    "OneCycle, three phases of lines": lambda n: {
        "eta_max": [0.5, 0.2, 0.3],
        "total_steps": n,
        "anneal_strategy": "linear",
        "three_phase": True,
        "div_factor": 10.0,
    },
    "CosineRestart": lambda n: {"periods": [n // 4, n // 4], "restart_weights": [1, 0.5], "eta_min": 0.001},
    "CosineRestart, to a part": lambda n: {
        "periods": [n // 5, n // 2, n],
        "restart_weights": (0.9, 0.5, 0.25),
        "eta_min_ratio": 0.01,
    },
}

TARGETS = {"LR": ({}, "lr"), "Momentum": ({}, "momentum"), "ParamScheduler": ({"param_name": "lr"}, "lr")}


def wrapper(library, kind):
    library = their_optim if library is theirs else library
    options = {"SGD": {"momentum": 0.9}, "AdamW": {}}[kind]
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.02)]
    return library.OptimWrapper(getattr(torch.optim, kind)(groups, lr=0.1, **options))


def build(library, spec, optim_wrapper, epoch_length, *, convert):
    spec = dict(spec)
    cls = getattr(library, spec.pop("type"))
    if convert:
        return cls.build_iter_from_epoch(optim_wrapper, epoch_length=epoch_length, **spec)
    return cls(optim_wrapper, **spec)


def values(library, specs, unit, kind):
    """What each group has at the start and after each of 200 iterations, stepped as a run steps."""
    epochs, epoch_length = UNITS[unit]
    optim_wrapper = wrapper(library, kind)
    schedulers = [
        build(library, spec, optim_wrapper, epoch_length, convert=unit == "converted" and spec.get("by_epoch", True))
        for spec in specs
    ]
    found = [_now(optim_wrapper)]
    for iteration in range(1, STEPS + 1):
        for scheduler in schedulers:
            if not scheduler.by_epoch or iteration % epoch_length == 0:
                scheduler.step()
        found.append(_now(optim_wrapper))
    assert epochs * epoch_length == STEPS
    return found


def _now(optim_wrapper):
    names = ("lr", "momentum", "weight_decay")
    groups = optim_wrapper.param_groups
    betas = [number for group in groups for number in group.get("betas", ())]
    return [float(group[name]) for group in groups for name in names if name in group] + betas


def scheduled(family, target, unit):
    """The family's schedule in a window that leaves out a tenth at both ends."""
    name = family.partition(",")[0]
    length = UNITS[unit][0] if unit != "iteration" else STEPS
    more, _ = TARGETS[target]
    spec = {
        "type": f"{name}{target}",
        **more,
        **FAMILIES[family](length),
        "begin": length // 10,
        "end": length * 9 // 10,
    }
    return spec if unit != "iteration" else {**spec, "by_epoch": False}


def warm_up(target):
    return {
        "type": f"Linear{target}",
        **TARGETS[target][0],
        "start_factor": 0.01,
        "by_epoch": False,
        "begin": 0,
        "end": 15,
    }


CASES = [
    (family, target, unit)
    for family in FAMILIES
    for target in TARGETS
    for unit in UNITS
    if not (family.startswith("OneCycle") and target == "Momentum")
]


@pytest.mark.parametrize("chained", [False, True], ids=["alone", "after a warm-up"])
@pytest.mark.parametrize(("family", "target", "unit"), CASES)
def test_the_same_values(family, target, unit, chained):
    specs = [*([warm_up(target)] if chained else []), scheduled(family, target, unit)]
    kind = "AdamW" if target == "Momentum" and unit == "epoch" else "SGD"
    mine, reference = values(ours, specs, unit, kind), values(theirs, specs, unit, kind)
    assert len({tuple(each) for each in reference}) > 1, "nothing was scheduled"
    for step, (one, other) in enumerate(zip(mine, reference, strict=True)):
        assert one == pytest.approx(other, rel=1e-12, abs=0), step


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "rule": "greater", "threshold": 0.05, "threshold_rule": "abs"},
        {"patience": 0, "cooldown": 3, "factor": 0.7, "min_value": 0.005, "eps": 1e-3},
        {"patience": 1, "rule": "greater", "min_value": [0.05, 0.001], "begin": 20, "end": 150},
    ],
)
@pytest.mark.parametrize(("target", "name"), [("LR", "lr"), ("ParamScheduler", "weight_decay")])
def test_the_same_plateaus(options, target, name):
    draw = random.Random(3)
    metrics = [0.5 + draw.random() - epoch / 300 for epoch in range(STEPS)]
    found = []
    for library in (ours, theirs):
        optim_wrapper = wrapper(library, "AdamW")
        more = {"param_name": name} if target == "ParamScheduler" else {}
        scheduler = getattr(library, f"ReduceOnPlateau{target}")(optim_wrapper, monitor="score", **more, **options)
        seen = []
        for metric in metrics:
            scheduler.step()
            scheduler.step({"score": metric})
            best = None if abs(scheduler.best) >= 1e9 else scheduler.best  # they begin with 1e9, we with infinity
            seen.append([_now(optim_wrapper), best, scheduler.num_bad_epochs, scheduler.cooldown_counter])
        found.append(seen)
    assert found[0] == found[1]
    assert found[0][0] != found[0][-1]


@pytest.mark.parametrize("family", [*(each for each in FAMILIES if "," not in each), "ReduceOnPlateau"])
def test_their_saved_position_is_gone_on_from(family):
    optim_wrapper = wrapper(theirs, "SGD")
    spec = scheduled(family, "LR", "epoch") if family in FAMILIES else {"type": "ReduceOnPlateauLR", "patience": 1}

    def advance(scheduler, first, last):
        for epoch in range(first, last):
            scheduler.step()
            if family == "ReduceOnPlateau":
                scheduler.step({"loss": 1.0 - epoch % 4})
        return [group["lr"] for group in scheduler.optimizer.param_groups]

    reference = build(theirs, spec, optim_wrapper, 1, convert=False)
    advance(reference, 0, 75)
    states = {"optimizer": optim_wrapper.state_dict(), "scheduler": dict(reference.state_dict())}
    resumed_wrapper = wrapper(ours, "SGD")
    resumed = build(ours, spec, resumed_wrapper, 1, convert=False)
    resumed_wrapper.load_state_dict(states["optimizer"])
    assert ours.restore_schedulers([resumed], [states["scheduler"]], epoch=75, iteration=75, epoch_length=1) == []
    for first, last in ((75, 76), (76, 120), (120, 200)):
        assert advance(resumed, first, last) == pytest.approx(advance(reference, first, last), rel=1e-12, abs=0)
