"""What `runner plan` says a run will do, held against what runs do."""

from __future__ import annotations

import builtins
import json
import math
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import Config, Hook, Runner, read_scalars
from runner.cli.app import run
from runner.plan import Plan, make_plan
from runner.plan.drawing import draw
from runner.plan.report import report, spans
from runner.plan.sampling import sample
from runner.registry import LOOPS

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = EXAMPLES / "digits" / "digits.yaml"
SHORT = (
    "model.width=4",
    "train_cfg.max_epochs=4",
    "train_dataloader.batch_size=128",
    "default_hooks.logger.interval=1",
)

BY_EPOCH = "param_scheduler=[{type: MultiStepLR, milestones: [1, 3]}, {type: PolyLR, power: 0.9, eta_min: 1.0e-5}]"
MIXED = (
    "param_scheduler=[{type: LinearLR, start_factor: 0.1, by_epoch: false, end: 7}, {type: StepLR, step_size: 1, gamma: 0.7},"
    " {type: CosineAnnealingLR, begin: 1, end: 3, convert_to_iter_based: true}, {type: ConstantMomentum, factor: 0.5, end: 2}]"
)
SCALED = "auto_scale_lr={enable: true, base_batch_size: 32}"
PARAMWISE = "optim_wrapper.paramwise_cfg={norm_decay_mult: 0, custom_keys: {classifier: {lr_mult: 10}}}"
BY_ITERATION = (
    "train_cfg={_delete_: true, by_epoch: false, max_iters: 30, val_begin: 5, val_interval: 7, dynamic_intervals: [[20, 4]]}",
    "param_scheduler=[{type: LinearLR, by_epoch: false, end: 5}, {type: MultiStepLR, by_epoch: false, milestones: [11]}]",
    "default_hooks.checkpoint={interval: 8, by_epoch: false, save_best: null}",
)


def plan(*overrides: str, source: Path = DIGITS, **options: Any) -> Plan:
    return make_plan(Config.fromfile(source, overrides=overrides), **options)


def schedule(found: Plan, option: str = "lr", group: int = 0) -> dict[int, float]:
    (one,) = [each for each in found.schedules if (each.option, each.group) == (option, group)]
    return dict(zip(one.steps, one.values, strict=True))


class Note(Hook):
    """What a run trains with, validates and saves."""

    priority = "HIGHEST"

    def __init__(self) -> None:
        self.options: list[list[dict[str, float]]] = []
        self.validations: list[tuple[int, int]] = []
        self.saves: list[tuple[int, int]] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.options.append(
            [
                {"lr": group["lr"], "momentum": group["betas"][0], "weight_decay": group["weight_decay"]}
                for group in runner.optim_wrapper.optimizer.param_groups
            ]
        )

    def before_val(self, runner: Runner) -> None:
        self.validations.append((runner.epoch, runner.iter))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.saves.append((checkpoint["meta"]["epoch"], checkpoint["meta"]["iter"]))


def really(tmp_path: Path, *overrides: str) -> tuple[Note, list[dict[str, Any]]]:
    """Run it; what was noted, and the lines of training that were logged."""
    config = Config.fromfile(DIGITS, overrides=[*overrides, f"work_dir={tmp_path / 'run'}", "log_level=ERROR"])
    note = Note()
    runner = Runner.from_cfg(config, device="cpu")
    runner.register_hook(note)
    runner.train()
    runner.close()
    return note, [row for row in read_scalars(tmp_path / "run") if row["mode"] == "train"]


@pytest.mark.parametrize("build", [False, True])
@pytest.mark.parametrize(
    "overrides",
    [
        (*SHORT, BY_EPOCH),
        (*SHORT, MIXED, SCALED),
        (*SHORT, MIXED, SCALED, PARAMWISE),
        (*SHORT, MIXED, "default_hooks.param_scheduler=null"),
        ("model.width=4", "default_hooks.logger.interval=1", *BY_ITERATION),
        (
            *SHORT,
            "train_cfg.val_begin=2",
            "train_cfg.dynamic_intervals=[[3, 5]]",
            "default_hooks.checkpoint={interval: 3}",
        ),
    ],
)
def test_a_plan_is_what_the_run_does(tmp_path: Path, overrides: tuple[str, ...], build: bool) -> None:
    found = plan(*overrides, build=build)
    note, logged = really(tmp_path, "default_hooks.checkpoint.save_best=null", *overrides)

    name = "base_lr" if "base_lr" in logged[0] and not build else "lr"
    rates = [row[name] for row in logged]
    steps = range(len(rates)) if len(set(rates)) > 1 else (0, len(rates) - 1)  # of a constant one the ends are kept
    assert [row["step"] for row in logged] == list(range(1, len(rates) + 1))
    assert schedule(found) == {step: rates[step] for step in steps}
    assert found.iterations == len(note.options) == len(logged)
    assert [(each.epoch, each.iter) for each in found.validations] == note.validations
    assert [(each.epoch, each.iter) for each in found.saves] == note.saves
    if build:
        for number, group in enumerate(found.groups):
            same = next(
                index
                for index, options in enumerate(note.options[0])
                if all(schedule(found, key, number)[0] == options[key] for key in options)
            )
            for option in ("lr", "momentum", "weight_decay"):
                planned = schedule(found, option, number)
                assert planned == {step: note.options[step][same][option] for step in planned}, group


def test_the_groups_are_those_of_the_model() -> None:
    found = plan(PARAMWISE, MIXED, *SHORT, build=True)
    decays = [(group.options["lr"], group.options["weight_decay"], len(group.parameters)) for group in found.groups]
    assert decays == [(0.003, 0.05, 4), (0.003, 0.0, 8), (0.03, 0.05, 2)]
    assert found.groups[2].parameters == ("classifier.2.weight", "classifier.2.bias")
    assert not plan(PARAMWISE).has_model
    assert "--build" in plan(PARAMWISE).notes[0]


def test_hooks_are_in_calling_order() -> None:
    found = plan("custom_hooks=[{type: MisclassifiedHook, num_images: 1, priority: 65}]", "default_hooks.timer=null")
    calls = [(call.type, call.priority) for call in found.hooks["before_train_epoch"]]
    assert calls == [
        ("RuntimeInfoHook", 10),
        ("DistSamplerSeedHook", 50),
        ("LoggerHook", 60),
        ("MisclassifiedHook", 65),
    ]
    assert [point for point in Hook.stages if point in found.hooks] == list(found.hooks)


def test_a_loop_that_starts_over_is_gone_through_as_it_is() -> None:
    found = plan(source=EXAMPLES / "kfold" / "kfold.yaml")
    rates = schedule(found)
    assert (found.epochs, found.iterations) == (40, 920)
    assert [step for step, rate in rates.items() if rate == 0.003] == [0, 184, 368, 552, 736]
    assert [each.epoch for each in found.validations] == [8, 16, 24, 32, 40]


def test_a_loop_that_needs_a_batch_is_said_to() -> None:
    @LOOPS.register_module(force=True)
    class Reading(LOOPS.get("EpochBasedTrainLoop")):
        def run_iter(self, idx: int, data_batch: Any) -> None:
            data_batch[0].mean()

    config = Config.fromfile(DIGITS)
    config.train_cfg = {"type": "Reading", "max_epochs": 2}
    found = make_plan(config)
    assert found.schedules == []
    assert "Reading could not be run with nothing to train" in found.notes[0]
    assert found.hooks


def test_data_that_is_not_there(tmp_path: Path) -> None:
    nowhere = f"train_dataloader.dataset={{_delete_: true, type: ImageFolder, root: {tmp_path / 'no'}}}"
    by_epoch = plan(nowhere, BY_EPOCH)
    assert (by_epoch.unit, by_epoch.iterations, by_epoch.length) == ("epoch", None, 20)
    assert schedule(by_epoch)[1] == pytest.approx(0.1 * ((1 - 1 / 20) ** 0.9 * (0.003 - 1e-5) + 1e-5), rel=0.01)
    assert [each.iter for each in by_epoch.validations] == [None] * 20
    assert "could not be built" in by_epoch.notes[0]

    mixed = plan(nowhere, MIXED)
    assert mixed.schedules == []
    assert mixed.notes[1].startswith("LinearLR, CosineAnnealingLR: ")
    assert "`--epoch-length N`" in mixed.notes[1]

    told = plan(nowhere, MIXED, epoch_length=23)
    assert told.notes == []
    assert told.schedules == plan(MIXED).schedules


def test_a_config_that_does_not_train() -> None:
    config = Config.fromfile(DIGITS, unset=["train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"])
    found = make_plan(config)
    assert found.loop is None
    assert "does not train" in report(found)


@pytest.mark.parametrize("length", [1, 2, 3, 2000])
def test_a_short_schedule_is_kept_whole(length: int) -> None:
    assert sample([math.sqrt(step) for step in range(length)]) == list(range(length))


def test_a_long_schedule_keeps_its_breaks() -> None:
    length, jumps, kink = 100_000, (30_011, 99_990), 5_003
    values = [min(step / kink, 1.0) * (1 + math.cos(math.pi * step / length)) / 2 for step in range(length)]
    values = [value * 0.1 ** sum(step >= jump for jump in jumps) for step, value in enumerate(values)]
    kept = sample(values)
    assert len(kept) <= 2000
    assert {0, length - 1, kink, *(jump - side for jump in jumps for side in (0, 1))} <= set(kept)
    for left, right in pairwise(kept):
        middle = (left + right) // 2
        between = values[left] + (values[right] - values[left]) * (middle - left) / max(right - left, 1)
        assert values[middle] == pytest.approx(between, abs=1e-4)


def test_a_staircase_with_too_many_stairs_keeps_the_highest() -> None:
    values = [1.0 / (1 + step // 7) for step in range(70_000)]
    kept = sample(values)
    assert len(kept) <= 2000
    assert {6, 7, 13, 14} <= set(kept)
    assert sample([0.5] * 70_000) == [0, 69_999]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([3], "3"),
        ([5, 10, 15], "5, 10, 15"),
        (list(range(1, 21)), "1 to 20"),
        ([2, 4, 6, 8, 9, 10, 11, 12], "2 to 8 by 2, 9 to 12"),
        ([*range(500, 8001, 500), 8001], "500 to 8,000 by 500, 8,001"),
        ([1, 2, 4, 8, 16, 32, 64, 128], "1, 2, 4, 8, 16, …, 128"),
    ],
)
def test_numbers_in_words(counts: list[int], text: str) -> None:
    assert spans(counts) == text


def test_the_report() -> None:
    text = report(plan(PARAMWISE, *SHORT, build=True), width=80)
    assert "4 epochs of 12 iterations, 48 in all (EpochBasedTrainLoop)" in text
    assert "1,437 samples, 12 batches of 128" in text
    assert "lr, groups 0, 1: 0.003 → " in text
    assert "weight_decay: 0.05 (groups 0, 2), 0 (group 1), constant" in text
    assert "validates   4 times, after epochs 1, 2, 3, 4" in text
    assert max(map(len, [line for line in text.splitlines() if "│" in line or "┤" in line])) <= 80
    assert "\x1b" not in text
    assert "\x1b[33m" in report(plan(PARAMWISE, *SHORT, build=True), color=True)


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = plan(PARAMWISE, MIXED, *SHORT, build=True)
    draw(found, tmp_path / "plan.png")
    picture = (tmp_path / "plan.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) > (1000, 700)

    draw(found, tmp_path / "plan.svg")
    text = (tmp_path / "plan.svg").read_text(encoding="utf-8")
    for word in ("learning rate", "momentum", "epoch", "iteration", "validates", "saves", "group 2: lr 0.03"):
        assert f"{word}" in text
    draw(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text(encoding="utf-8") == text


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plan", str(DIGITS), "--epoch-length", "10", "--out", "plan.svg", "--format", "json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert shown.err == "drawn into plan.svg\n"
    assert (found["unit"], found["iterations"], found["data"]) == ("iteration", 200, {})
    assert found["validations"][1] == {"epoch": 2, "iter": 20, "unit": "epoch"}
    assert found["saves"][0] == {"epoch": 5, "iter": 50, "unit": "epoch", "file": "epoch_5.pth"}
    assert found["checkpoints"] == [{"keeps": 1, "best": ["accuracy/top1"]}]
    assert found["hooks"]["after_run"] == [{"type": "LoggerHook", "priority": 60}]
    (rates,) = [each for each in found["schedules"] if each["option"] == "lr"]
    assert rates["values"][0] == 0.003
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.svg"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "train_cfg.max_epoch=3"], 1, "did you mean 'max_epochs'?"),
        (["--out", "plan.pdf"], 2, "'plan.pdf' is neither a .png nor an .svg file"),
        (["--epoch-length", "0"], 2, "--epoch-length"),
        (["--build", "-o", "optim_wrapper.paramwise_cfg.custom_keys={bakbone: {lr_mult: 0.1}}"], 3, "'bakbone'"),
    ],
)
def test_what_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str) -> None:
    assert run(["plan", str(DIGITS), *arguments]) == code
    assert words in capsys.readouterr().err


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    original = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert run(["plan", str(DIGITS), "--epoch-length", "2", "--out", "plan.png"]) == 2
    assert "pip install 'yaml-runner[plan]'" in capsys.readouterr().err
    assert run(["plan", str(DIGITS), "--epoch-length", "2"]) == 0


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_example_has_a_plan(example: Path) -> None:
    state = torch.random.get_rng_state()
    found = plan(source=example, build=True, epoch_length=5)
    assert found.schedules
    assert found.notes == []
    assert report(found)
    torch.random.set_rng_state(state)
