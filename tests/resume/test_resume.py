"""Killed and resumed equals straight through, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import read_scalars

CONFIG = Path(__file__).parents[1] / "signals" / "project" / "killed.yaml"
TIMES = {"time", "data_time", "memory"}
LAST_ITER = 60


def train(work_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "train", str(CONFIG), "--work-dir", str(work_dir), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def kill_at(iteration: int, point: str) -> tuple[str, ...]:
    return ("-o", f"custom_hooks.1.at={iteration}", "-o", f"custom_hooks.1.point={point}")


def final(work_dir: Path) -> dict[str, Any]:
    return torch.load(work_dir / "epoch_6.pth", weights_only=True)


def scalars(work_dir: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in read_scalars(work_dir)]


def assert_equal(got: Any, expected: Any, path: str = "") -> None:
    assert type(got) is type(expected), path
    if isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected), path
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), path
        for key in expected:
            assert_equal(got[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), path
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert_equal(one, other, f"{path}.{number}")
    else:
        assert got == expected, path


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("straight")
    done = train(work_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    return work_dir


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_twice_equals_straight_through(straight: Path, tmp_path: Path, workers: int) -> None:
    loader = ("-o", f"train_dataloader.num_workers={workers}")
    first = train(tmp_path, *loader, *kill_at(30, "epoch"))
    assert first.returncode == -signal.SIGKILL, first.stdout + first.stderr
    assert (tmp_path / "epoch_3.pth").exists()
    second = train(tmp_path, *loader, *kill_at(46, "iter"), "--resume")
    assert second.returncode == -signal.SIGKILL, second.stdout + second.stderr
    assert "epoch_3.pth" in second.stdout
    third = train(tmp_path, *loader, "--resume")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "iter_44.pth" in third.stdout
    resumed, expected = final(tmp_path), final(straight)
    for key in ("state_dict", "optimizer", "param_schedulers", "data", "accumulation"):
        assert_equal(resumed[key], expected[key], key)
    assert_equal(resumed["ranks"], expected["ranks"], "ranks")
    assert resumed["meta"]["iter"] == LAST_ITER
    rows = scalars(straight)
    assert any("loss" in row for row in rows)
    assert any("share" in row for row in rows)
    assert scalars(tmp_path) == rows


def test_more_epochs_on_resume_follow_the_longer_schedule(straight: Path, tmp_path: Path) -> None:
    short = ("-o", "train_cfg.max_epochs=3", "-o", "param_scheduler.1.T_max=3")
    assert train(tmp_path, *short).returncode == 0
    done = train(tmp_path, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_cfg.max_epochs: 3 -> 6" in done.stdout

    def rates(work_dir: Path) -> dict[int, float]:
        return {row["step"]: row["lr"] for row in scalars(work_dir) if "lr" in row and row["step"] > 30}

    expected = rates(straight)
    assert len(set(expected.values())) > 2
    got = rates(tmp_path)
    assert got.keys() == expected.keys()
    for step, rate in expected.items():
        assert got[step] == pytest.approx(rate, rel=1e-12), step
