"""Parameter schedulers against the run and against each other: each mistake beside a neighbour that is none."""

from __future__ import annotations

import pytest

W = "scheduler-window"
EPOCHS = "train_cfg: {by_epoch: true, max_epochs: 12}\n"
ITERATIONS = "train_cfg: {by_epoch: false, max_iters: 1000}\n"

WINDOWS = {
    "empty": ("{type: PolyLR, begin: 5, end: 5}", [(W, "end", "error")]),
    "upside down": ("{type: PolyLR, begin: 8, end: 5}", [(W, "end", "error")]),
    "after the run": ("{type: PolyLR, begin: 12}", [(W, "begin", "error")]),
    "after the run, with an end": ("{type: PolyLR, begin: 12, end: 20}", [(W, "begin", "warning")]),
    "longer than the run": ("{type: PolyLR, end: 20}", [(W, "end", "warning")]),
    "as long as the run": ("{type: PolyLR, begin: 11, end: 12}", []),
    "no end, as MMEngine writes it": ("{type: PolyLR, end: 1000000000}", []),
    "steps, which end matters little to": ("{type: StepLR, step_size: 3, end: 20}", []),
    "iterations, of which nobody knows how many": ("{type: PolyLR, by_epoch: false, end: 20000}", []),
    "a value that is wrong already": ("{type: PolyLR, begin: 5, end: many}", [("wrong-type", "end", "error")]),
    "a key that is misspelt": ("{type: PolyLR, begin: 5, ende: 20}", [("unknown-key", "ende", "error")]),
    "a period that is the window": ("{type: CosineAnnealingLR, begin: 2, T_max: 10}", []),
    "a period beyond it": ("{type: CosineAnnealingLR, begin: 2, T_max: 12}", [("scheduler-period", "T_max", "warning")]),
    "a period below it": ("{type: CosineAnnealingLR, T_max: 6}", [("scheduler-period", "T_max", "warning")]),
    "a period in iterations": ("{type: CosineAnnealingLR, T_max: 6, by_epoch: false}", []),
    "a period in a window of iterations": (
        "{type: CosineAnnealingLR, T_max: 6, by_epoch: false, end: 7}",
        [("scheduler-period", "T_max", "warning")],
    ),
    "a warm-up that begins late": ("{type: LinearLR, begin: 2, end: 4}", [("scheduler-jump", "begin", "warning")]),
    "a warm-up": ("{type: LinearLR, end: 4}", []),
    "a cool-down": ("{type: LinearLR, begin: 2, start_factor: 1, end_factor: 0.1}", []),
    "a decay to zero that ends early": ("{type: CosineAnnealingLR, end: 8}", [("scheduler-gap", "end", "warning")]),
    "a line to zero that ends early": (
        "{type: LinearLR, start_factor: 1.0, end_factor: 0, end: 8}",
        [("scheduler-gap", "end", "warning")],
    ),
    "a decay to a minimum": ("{type: CosineAnnealingLR, end: 8, eta_min: 0.001}", []),
    "a decay to a part": ("{type: CosineAnnealingLR, end: 8, eta_min_ratio: 0.1}", []),
    "both minima": ("{type: CosineAnnealingLR, eta_min: 1, eta_min_ratio: 1}", [("exclusive-arguments", "eta_min_ratio", "error")]),
    "milestones": ("{type: MultiStepLR, milestones: [8, 11]}", []),
    "a milestone at the end": ("{type: MultiStepLR, milestones: [8, 12]}", [("scheduler-milestones", "milestones.1", "warning")]),
    "milestones from begin": ("{type: MultiStepLR, begin: 2, milestones: [8, 10]}", [("scheduler-milestones", "milestones.1", "warning")]),
    "milestones after the window": ("{type: MultiStepLR, end: 9, milestones: [8, 9]}", [("scheduler-milestones", "milestones.1", "warning")]),
    "milestones out of order": ("{type: MultiStepLR, milestones: [11, 8]}", [("scheduler-milestones", "milestones", "warning")]),
    "milestones in iterations": ("{type: MultiStepLR, milestones: [8000], by_epoch: false}", []),
    "iterations that are to become iterations": (
        "{type: PolyLR, by_epoch: false, convert_to_iter_based: true}",
        [("by-epoch-unit", "convert_to_iter_based", "error")],
    ),
    "epochs that are to become iterations": ("{type: PolyLR, convert_to_iter_based: true}", []),
    "a decay without an aim beyond the run": ("{type: ExponentialLR, gamma: 0.9, end: 20}", []),
    "a cycle": ("{type: OneCycleLR, eta_max: 0.1, total_steps: 12}", []),
    "a cycle without its maximum": ("{type: OneCycleLR}", [("missing-key", "", "error")]),
    "a cycle that is over too soon": (
        "{type: OneCycleLR, eta_max: 0.1, total_steps: 10}", [("scheduler-period", "total_steps", "error")]
    ),
    "a cycle that is over a step too soon, as MMEngine's may be": (
        "{type: OneCycleLR, eta_max: 0.1, total_steps: 11}", [("scheduler-period", "total_steps", "warning")]
    ),
    "a cycle that is cut off": (
        "{type: OneCycleLR, eta_max: 0.1, total_steps: 20, convert_to_iter_based: true}",
        [("scheduler-period", "total_steps", "warning")],
    ),
    "restarts": ("{type: CosineRestartLR, periods: [4, 8], restart_weights: [1, 0.5], eta_min: 0}", []),
    "restarts that end before the run": (
        "{type: CosineRestartLR, periods: [4, 4], restart_weights: [1, 1], eta_min: 0}",
        [("scheduler-period", "periods", "warning")],
    ),
    "restarts that are cut off": (
        "{type: CosineRestartLR, periods: [20], eta_min_ratio: 0.1}", [("scheduler-period", "periods", "warning")]
    ),
    "a period without its weight": (
        "{type: CosineRestartLR, periods: [4, 8], eta_min: 0}", [("scheduler-period", "restart_weights", "error")]
    ),
    "restarts without a minimum": ("{type: CosineRestartLR, periods: [12]}", [("missing-key", "", "error")]),
    "restarts with two minima": (
        "{type: CosineRestartLR, periods: [12], eta_min: 0, eta_min_ratio: 0.1}",
        [("exclusive-arguments", "eta_min_ratio", "error")],
    ),
    "restarts whose minimum is misspelt": (
        "{type: CosineRestartLR, periods: [12], eta_minn: 0}", [("unknown-key", "eta_minn", "error")]
    ),
    "phases": ("{type: WarmupStableDecayLR, warmup_steps: 1, decay_steps: 3}", []),
    "phases that do not fit": (
        "{type: WarmupStableDecayLR, warmup_steps: 5, decay_steps: 8}", [("scheduler-period", "decay_steps", "error")]
    ),
    "phases that are cut off": (
        "{type: WarmupStableDecayLR, stable_steps: 10, decay_steps: 3}",
        [("scheduler-period", "stable_steps", "warning")],
    ),
    "phases to zero that end early": (
        "{type: WarmupStableDecayLR, decay_steps: 3, end: 8}", [("scheduler-gap", "end", "warning")]
    ),
    "a warm-up of its own that begins late": (
        "{type: WarmupStableDecayLR, begin: 2, warmup_steps: 1, decay_steps: 3}",
        [("scheduler-jump", "begin", "warning")],
    ),
    "cycles": ("{type: CyclicLR, cyclic_times: 3}", []),
    "cycles that are too many": ("{type: CyclicLR, cyclic_times: 13}", [("scheduler-period", "cyclic_times", "error")]),
    "cycles that leave something over": (
        "{type: CyclicLR, cyclic_times: 5}", [("scheduler-period", "cyclic_times", "warning")]
    ),
    "a warm-up that never ends": (
        "{type: InverseSqrtLR, warmup_steps: 12}", [("scheduler-period", "warmup_steps", "warning")]
    ),
    "a plateau": ("{type: ReduceOnPlateauLR, monitor: accuracy/top1, rule: greater}", []),
    "a plateau of iterations": (
        "{type: ReduceOnPlateauLR, monitor: accuracy/top1, rule: greater, by_epoch: false}", [("by-epoch-unit", "by_epoch", "error")]
    ),
    "a plateau that is to be converted": (
        "{type: ReduceOnPlateauLR, monitor: accuracy/top1, rule: greater, convert_to_iter_based: true}",
        [("by-epoch-unit", "convert_to_iter_based", "error")],
    ),
    "a plateau of another metric": (
        "{type: ReduceOnPlateauLR, monitor: accuracy/topp1}", [("unknown-metric", "monitor", "error")]
    ),
    "a plateau of the default metric, which there is not": (
        "{type: ReduceOnPlateauLR}", [("unknown-metric", "", "error")]
    ),
    "a plateau of a loss that the model may give": (
        "{type: ReduceOnPlateauLR, monitor: loss}", [("unknown-metric", "monitor", "warning")]
    ),
    "a plateau of which nobody says what is better": (
        "{type: ReduceOnPlateauLR, monitor: accuracy/top1}", [("metric-direction", "monitor", "error")]
    ),
    "a plateau the wrong way round": (
        "{type: ReduceOnPlateauMomentum, monitor: accuracy/top1, rule: less}", [("metric-direction", "rule", "warning")]
    ),
    "a plateau of a loss, the wrong way round": (
        "{type: ReduceOnPlateauLR, monitor: val_loss, rule: greater}", [("metric-direction", "rule", "warning")]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("scheduler", "expected"), WINDOWS.values(), ids=WINDOWS)
def test_a_window_in_twelve_epochs(marked, scheduler, expected):
    expected = [(code, f"param_scheduler.{path}".rstrip("."), severity) for code, path, severity in expected]
    assert marked(f"{EPOCHS}param_scheduler: {scheduler}") == expected


BY_ITERATION = {
    "by epoch, by default": ("{type: PolyLR}", [("by-epoch-unit", "param_scheduler", "error")]),
    "by epoch": ("{type: PolyLR, by_epoch: true}", [("by-epoch-unit", "param_scheduler.by_epoch", "error")]),
    "by iteration": ("{type: PolyLR, by_epoch: false}", []),
    "by validation": ("{type: ReduceOnPlateauLR, monitor: accuracy/top1, rule: greater}", []),
    "by iteration, for too long": ("{type: PolyLR, by_epoch: false, end: 1001}", [(W, "param_scheduler.end", "warning")]),
    "epochs that are converted": ("{type: PolyLR, convert_to_iter_based: true, end: 4}", []),
    "converted without an end": ("{type: PolyLR, convert_to_iter_based: true}", [("by-epoch-unit", "param_scheduler", "warning")]),
    "milestones by epoch": ("{type: MultiStepLR, milestones: [8]}", [("by-epoch-unit", "param_scheduler", "error")]),
    "a milestone after the run": (
        "{type: MultiStepLR, milestones: [800, 1000], by_epoch: false}",
        [("scheduler-milestones", "param_scheduler.milestones.1", "warning")],
    ),
}  # fmt: skip


CYCLE = "param_scheduler: {type: OneCycleLR, eta_max: 0.1, by_epoch: false, %s}\n"
LOADER = "train_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}, num_batch_per_epoch: %s}\n"
CYCLES = {
    "iterations of which nobody knows how many": ("", "total_steps: 120", None),
    "fewer than one an epoch": ("", "total_steps: 10", "error"),
    "as many as there are": (LOADER % 10, "total_steps: 120", None),
    "as many as there are by itself": (LOADER % 10, "begin: 20", None),
    "fewer": (LOADER % 10, "total_steps: 60", "warning"),
    "more": (LOADER % 10, "total_steps: 130", "warning"),
    "as many as are left": (LOADER % 10, "begin: 20, total_steps: 100", None),
    "a window of its own": (LOADER % 10, "end: 60, total_steps: 60", None),
}


@pytest.mark.parametrize(("loader", "arguments", "severity"), CYCLES.values(), ids=CYCLES)
def test_a_cycle_of_iterations_in_a_run_by_epochs(marked, loader, arguments, severity):
    expected = [] if severity is None else [("scheduler-period", "param_scheduler.total_steps", severity)]
    assert marked(f"{EPOCHS}{loader}{CYCLE % arguments}") == expected


@pytest.mark.parametrize(("scheduler", "expected"), BY_ITERATION.values(), ids=BY_ITERATION)
def test_a_window_in_a_thousand_iterations(marked, scheduler, expected):
    assert marked(f"{ITERATIONS}param_scheduler: {scheduler}") == expected


def test_a_loop_that_counts_in_its_own_way_is_left_alone(marked):
    loop = "train_cfg: {type: KFoldTrainLoop, max_epochs: 2}\n"
    assert marked(loop + "param_scheduler: {type: MultiStepLR, milestones: [8], end: 20}") == []


WARM_UP = "{type: LinearLR, start_factor: 0.1, end: 3}"
OVERLAPS = {
    "a warm-up, then a decay": (f"[{WARM_UP}, {{type: CosineAnnealingLR, begin: 3}}]", []),
    "a warm-up within a decay": (f"[{WARM_UP}, {{type: CosineAnnealingLR}}]", []),
    "a warm-up by iterations": ("[{type: LinearLR, by_epoch: false, end: 500}, {type: PolyLR}]", []),
    "a warm-up within steps": (f"[{WARM_UP}, {{type: MultiStepLR, milestones: [8, 11]}}]", []),
    "a flat stretch before the decay": (f"[{WARM_UP}, {{type: CosineAnnealingLR, begin: 6}}]", []),
    "two warm-ups": (f"[{WARM_UP}, {{type: ConstantLR, end: 1}}]", ["scheduler-overlap"]),
    "the same twice": ("[{type: PolyLR}, {type: PolyLR}]", ["scheduler-overlap"]),
    "two decays one after the other": ("[{type: PolyLR, eta_min: 0.1, end: 6}, {type: PolyLR, begin: 6}]", []),
    "two decays of two values": ("[{type: PolyLR}, {type: PolyMomentum}]", []),
    "two decays of one value by its name": (
        "[{type: PolyLR}, {type: PolyParamScheduler, param_name: lr}]",
        ["scheduler-overlap"],
    ),
    "down to zero, and up again": (
        "[{type: CosineAnnealingLR, end: 6}, {type: CosineAnnealingLR, begin: 6, eta_min: 0.1}]",
        [],
    ),
    "down to zero, then down": ("[{type: CosineAnnealingLR, end: 6}, {type: PolyLR, begin: 6}]", ["scheduler-gap"]),
    "a cycle that overrules": (f"[{WARM_UP}, {{type: OneCycleLR, eta_max: 0.1}}]", ["scheduler-overlap"]),
    "a cycle after something else": ("[{type: ConstantLR, end: 2}, {type: OneCycleLR, eta_max: 0.1, begin: 2}]", []),
    "a warm-up, then the inverse square root": (f"[{WARM_UP}, {{type: InverseSqrtLR, timescale: 3, begin: 3}}]", []),
    "two optimizers": ("{a: {type: PolyLR}, b: {type: PolyLR}}", ["optimizer-name", "optimizer-name"]),
}


@pytest.mark.parametrize(("schedulers", "expected"), OVERLAPS.values(), ids=OVERLAPS)
def test_several_schedulers(found, schedulers, expected):
    assert [problem.code for problem in found(f"{EPOCHS}param_scheduler: {schedulers}")] == expected


def test_a_class_of_this_process_counts_by_its_bases(found):
    from runner.optim.scheduler.poly import PolyLR

    class SlowPolyLR(PolyLR):
        """Like its base."""

    config = "param_scheduler: {type: SlowPolyLR, end: 20}"
    assert [problem.code for problem in found(config)] == ["unknown-type"]
    catalog = with_local("param_scheduler", "SlowPolyLR", SlowPolyLR)
    assert [problem.code for problem in found(config, catalog=catalog)] == [W]


def with_local(kind, name, cls):
    from runner.plugin import Entry, default_plugins

    catalog = default_plugins().catalog.copy()
    catalog.add(Entry(kind=kind, name=name, plugin="local", target=f"{cls.__module__}:{name}", obj=cls))
    return catalog
