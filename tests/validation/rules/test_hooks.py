"""One hook's arguments against each other, and hooks that get in each other's way: each mistake beside a neighbour."""

from __future__ import annotations

import pytest

FREEZE = "{type: FreezeHook, modules: a, %s}"
GUARD = "{type: NaNGuardHook, policy: %s}"
ACCUMULATE = "{type: GradientAccumulationScheduler, schedule: %s}"
WRITE = "{type: PredictionWriterHook, modes: %s}"
SAVE = "{type: CheckpointHook, %s}"
BEST = "{type: CheckpointHook, interval: -1, save_best: %s}"
RANGE, ALLOWED, TWICE = "out-of-range", "not-allowed", "duplicate-hook"

ARGUMENTS = {
    "frozen for an epoch": (FREEZE % "begin: 2, end: 3", []),
    "frozen to the end": (FREEZE % "begin: 2", []),
    "let go before it is frozen": (FREEZE % "begin: 3, end: 2", [(RANGE, "end")]),
    "let go as it is frozen": (FREEZE % "begin: 2, end: 2", [(RANGE, "end")]),
    "an end that is wrong already": (FREEZE % "begin: 2, end: x", [("wrong-type", "end")]),
    "accumulation in two parts": (ACCUMULATE % "[[0, 1], [4, 2]]", []),
    "accumulation without a part": (ACCUMULATE % "[]", [(RANGE, "schedule")]),
    "two numbers for a place": (ACCUMULATE % "[[0, 1], [0, 2]]", [(RANGE, "schedule.1.0")]),
    "a metric": (BEST % "[accuracy/top1]", []),
    "the first metric, and another": (BEST % "[accuracy/top1, auto]", [(ALLOWED, "save_best.1")]),
    "a metric twice": (BEST % "[accuracy/top1, accuracy/top1]", [(ALLOWED, "save_best.1")]),
    "a rule for each": (BEST % "[accuracy/top1, val_loss], rule: [greater, less]", []),
    "rules for others": (BEST % "accuracy/top1, rule: [greater, less]", [(RANGE, "rule")]),
    "a file's name": (SAVE % "filename_tmpl: 'mine_{}.pth'", []),
    "a file's name with leading zeros": (SAVE % "filename_tmpl: 'mine_{:03d}.pth'", []),
    "a name that is no template": (SAVE % "filename_tmpl: 'mine_{:3q}.pth'", [(ALLOWED, "filename_tmpl")]),
    "the same name for all": (SAVE % "filename_tmpl: mine.pth", [(ALLOWED, "filename_tmpl")]),
    "a name in a folder": (SAVE % "filename_tmpl: 'sub/mine_{}.pth'", [(ALLOWED, "filename_tmpl")]),
}


@pytest.mark.parametrize(("hook", "expected"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_the_arguments_of_one_hook(marked, hook, expected):
    assert marked(f"custom_hooks: [{hook}]") == [(code, f"custom_hooks.0.{path}", "error") for code, path in expected]


PAIRS = {
    "two guards": ([GUARD % "skip", GUARD % "raise"], "error"),
    "one guard": ([GUARD % "skip"], None),
    "two schedules of accumulation": ([ACCUMULATE % "[[0, 2]]", ACCUMULATE % "[[4, 2]]"], "error"),
    "two profiles": (["{type: ProfilerHook}", "{type: ProfilerHook, by_epoch: false}"], "error"),
    "two that measure the speed": (["{type: ThroughputHook}", "{type: ThroughputHook, interval: 3}"], "warning"),
    "predictions twice": ([WRITE % "[test]", WRITE % "[val, test]"], "error"),
    "predictions of two modes": ([WRITE % "[test]", WRITE % "[val]"], None),
    "predictions in two folders": ([WRITE % "[test]", WRITE % "[test], out_dir: there"], None),
    "checkpoints twice": ([SAVE % "interval: 3"], "warning"),
    "checkpoints by iterations too": ([SAVE % "interval: 3, by_epoch: false"], None),
    "checkpoints in two folders": ([SAVE % "interval: 3, out_dir: there"], None),
    "checkpoints under two names": ([SAVE % "interval: 3, filename_tmpl: 'mine_{}.pth'"], None),
    "the best ones apart": ([BEST % "accuracy/top1"], None),
    "two parts that are frozen": ([FREEZE % "end: 2", FREEZE % "begin: 2"], None),
    "two reasons to stop": (["{type: EarlyStoppingHook, monitor: val_loss}", "{type: EarlyStoppingHook, monitor: accuracy/top1}"], None),
}  # fmt: skip


@pytest.mark.parametrize(("hooks", "severity"), PAIRS.values(), ids=PAIRS)
def test_a_second_hook(found, hooks, severity):
    problems = found(f"custom_hooks: [{', '.join(hooks)}]")
    expected = [] if severity is None else [(TWICE, f"custom_hooks.{len(hooks) - 1}", severity)]
    assert [(problem.code, problem.path, problem.severity) for problem in problems] == expected
    if problems:
        assert ("default_hooks.checkpoint" if len(hooks) == 1 else "custom_hooks.0") in problems[0].message


def test_without_the_first_the_second_is_none(marked):
    assert marked(f"default_hooks: {{checkpoint: null}}\ncustom_hooks: [{SAVE % 'interval: 3'}]") == []
