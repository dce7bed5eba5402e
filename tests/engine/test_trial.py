"""Building without running, and a run cut down to a step of each kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner import Config
from runner.cli.app import run
from runner.trial import build_problems

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.yaml"


def problems(*overrides: str) -> list[tuple[str, str]]:
    config = Config.fromfile(DIGITS, overrides=overrides)
    return [(problem.path, problem.message) for problem in build_problems(config)]


@pytest.mark.parametrize("name", ["digits/digits.yaml", "kfold/kfold.yaml", "annotated/annotated.yaml"])
def test_an_example_builds(name: str) -> None:
    assert build_problems(Config.fromfile(DIGITS.parents[1] / name)) == []


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("optim_wrapper.paramwise_cfg={custom_keys: {bakbone: {lr_mult: 0.1}}}", "optim_wrapper", "bakbone"),
        ("param_scheduler=[{type: LinearLR, begin: 5, end: 3}]", "param_scheduler.0", "begin=5, end=3"),
        ("default_hooks.checkpoint.save_best=foo", "default_hooks.checkpoint", "save_best names 'foo'"),
        (
            "train_dataloader.dataset={_delete_: true, type: ImageFolder, root: no/such/folder}",
            "train_dataloader.dataset",
            "no/such/folder",
        ),
        ("optim_wrapper.optimizer={_delete_: true, type: SGD, nesterov: true}", "optim_wrapper", "Nesterov"),
    ],
)
def test_what_a_constructor_refuses_is_a_problem_at_its_place(override: str, path: str, words: str) -> None:
    ((found, message),) = problems(override)
    assert found == path
    assert words in message


def test_failures_do_not_hide_each_other() -> None:
    found = problems("default_hooks.checkpoint.save_best=foo", "param_scheduler=[{type: LinearLR, begin: 5, end: 3}]")
    assert [path for path, _ in found] == ["param_scheduler.0", "default_hooks.checkpoint"]


def test_a_dry_run_takes_a_step_of_each_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run(["train", str(DIGITS), "-o", "model.width=4", "--dry-run", "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["batch"] == {"0": "(64, 1, 8, 8) float32", "1": "(64,) int64"}
    assert found["steps"] == 460
    assert found["val_steps"] == 20
    assert found["checkpoint"] > 1000
    assert found["seconds"] > 0
    assert found["losses"]["loss"] > 0
    assert not (tmp_path / "work_dirs").exists()
    assert not list(tmp_path.glob("runner-dry-run-*"))


def test_validate_build_prints_them_like_any_problem(capsys: pytest.CaptureFixture[str]) -> None:
    layer = "{type: nn.Conv2d, in_channels: 3, out_channels: 4, kernel_size: 3, groups: 2}"
    more = ["-o", f"model={{_delete_: true, type: ModuleAdapter, loss: null, module: {layer}}}", "--build"]
    assert run(["validate", str(DIGITS), *more]) == 1
    says = "error[build-failed] model.module: ValueError: in_channels must be divisible by groups"
    assert says in capsys.readouterr().out
    assert run(["validate", str(DIGITS), "--build"]) == 0
    assert capsys.readouterr().out == f"{DIGITS}: no problems\n"
