"""`runner verify-resume`: a config that keeps the promise, and what is said about those that do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from runner.verify.fingerprint import GENERATOR, fingerprints, own_attributes

CONFIG = Path(__file__).parent / "project" / "cfg.yaml"


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "verify-resume", str(CONFIG), "--device", "cpu", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def found(folder: Path, *overrides: str, at: int = 5) -> dict[str, Any]:
    more = [word for row in overrides for word in ("-o", row)]
    done = verify(folder, "--steps", "14", "--at", str(at), "--format", "json", *more)
    assert done.returncode == 3, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_run_that_keeps_the_promise(tmp_path: Path) -> None:
    done = verify(tmp_path, "--steps", "14")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal 14 steps straight through, bit for bit" in done.stdout
    assert "14 batches" in done.stdout
    assert not list(tmp_path.iterdir()), "it writes in a temporary folder alone, whatever the config's out_dir"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ("model.breaks=generator", "outputs", ["model.rng", "numpy.random.Generator", "global generators"]),
        ("model.breaks=attribute", "outputs", ["model.steps", "5 in the uninterrupted run", "register_buffer"]),
        ("train_dataloader.dataset.breaks=true", "batch", ["dataset.reads", "remembered between samples"]),
        ("custom_hooks.0.tells=false", "rates", ["hook Slowing", "count", "state_dict()"]),
        ("val_evaluator.breaks=true", "scalars", ["metric Share", "sum"]),
        ("custom_hooks=[{type: Seeing}]", "memory", ["hook Seeing", "seen", "state_dict()"]),
    ],
)
def test_a_broken_promise_is_named_with_its_cause(tmp_path: Path, row: str, kind: str, words: list[str]) -> None:
    # An epoch has 6 steps: what acts in steps shows in the next one, what acts in validations after the first of them.
    at = 8 if kind == "scalars" else 5
    verdict = found(tmp_path, row, at=at)
    assert verdict["outcome"] == "resume"
    first = verdict["differences"][0]
    assert first["kind"] == kind
    assert first["step"] > at or kind == "scalars"  # the log counts validations by epochs
    for word in words:
        assert word in verdict["cause"]


@pytest.mark.slow
def test_a_run_that_is_not_the_same_twice_is_told_from_a_resumption_that_differs(tmp_path: Path) -> None:
    verdict = found(tmp_path, "model.breaks=unseeded")
    assert verdict["outcome"] == "chance"
    assert verdict["differences"][0]["step"] == 1
    assert "model.rng" in verdict["cause"]
    assert "seeded anew in each process" in verdict["cause"]


@pytest.mark.slow
def test_a_run_that_fails_by_itself_is_shown(tmp_path: Path) -> None:
    done = verify(tmp_path, "-o", "load_from=absent.pth", "--steps", "4")
    assert done.returncode == 3
    assert "the uninterrupted run failed by itself" in done.stderr
    assert "absent.pth" in done.stderr


@pytest.mark.parametrize("arguments", [("--at", "20"), ("--steps", "5", "--at", "5"), ("--steps", "1")])
def test_no_step_to_be_killed_after_is_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert verify(tmp_path, *arguments).returncode == 2


def test_fingerprints_tell_bits_apart() -> None:
    one = {"a": torch.tensor([0.0, 1.0]), "b": [1, {"c": float("nan")}], "g": torch.Generator().manual_seed(1)}
    same = {"a": torch.tensor([0.0, 1.0]), "b": [1, {"c": float("nan")}], "g": torch.Generator().manual_seed(1)}
    assert dict(fingerprints(one)) == dict(fingerprints(same))
    same["a"][0] = -0.0
    same["g"].seed()
    differing = {key for key, text in fingerprints(one) if dict(fingerprints(same))[key] != text}
    assert differing == {"a", "g"}
    assert dict(fingerprints(one))["g"].startswith(GENERATOR)


def test_what_a_module_remembers_is_neither_its_weights_nor_its_persistent_buffers() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3))
    model[0].register_buffer("passing", torch.zeros(2), persistent=False)
    model[0].last = torch.ones(1)
    model.itself = model
    assert {path for path in own_attributes(model, "model") if "passing" in path or "last" in path} == {
        "model.0.last",
        "model.0.passing",
    }
    assert not any("running_mean" in path or "weight" in path for path in own_attributes(model, "model"))
