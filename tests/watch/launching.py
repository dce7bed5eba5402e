"""Launches of the small run of this folder, and whether two of them ended alike."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from runner import read_scalars

__all__ = ["TWO", "assert_same_run", "command", "start", "train", "until"]

PROJECT = Path(__file__).parent / "project"
TWO = ("--launcher", "pytorch", "--nproc-per-node", "2")
TIMES = {"time", "data_time", "memory"}


def command(work_dir: Path, *arguments: str) -> list[str]:
    config = str(PROJECT / "cfg.yaml")
    return [sys.executable, "-m", "runner", "train", config, "--work-dir", str(work_dir), "--device", "cpu", *arguments]


def start(work_dir: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    notes = work_dir.parent / f"{work_dir.name}_notes"
    notes.mkdir(exist_ok=True)
    return subprocess.Popen(
        command(work_dir, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NOTES": str(notes), **environment},
    )


def train(work_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(work_dir, *arguments, **environment)
    try:
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def until(process: subprocess.Popen[str], file: Path) -> int:
    """Wait until a process has written a note; the number of the process that did."""
    deadline = time.monotonic() + 400
    while not (file.exists() and file.read_text("utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(file.read_text("utf-8"))


def assert_equal(got: Any, expected: Any, path: str = "") -> None:
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


def rows(work_dir: Path) -> Sequence[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in read_scalars(work_dir)]


def assert_same_run(work_dir: Path, straight: Path) -> None:
    got, expected = (torch.load(each / "epoch_3.pth", weights_only=True) for each in (work_dir, straight))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers", "data", "ranks"):
        assert_equal(got[part], expected[part], part)
    assert rows(work_dir) == rows(straight)
