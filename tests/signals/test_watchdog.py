"""A run that hangs ends, and says where each rank stood; what dies of another's fault names it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from runner.cli.failure import report

CONFIG = str(Path(__file__).parent / "project" / "cfg.yaml")
TWO = ("--launcher", "pytorch", "--nproc-per-node", "2")
WATCHED = ("-o", "env_cfg.watchdog.timeout=3")


def start(work_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "train", CONFIG, "--work-dir", str(work_dir), "--device", "cpu", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "WAIT": str(work_dir / "pausing")},
    )


def pid_at_pause(process: subprocess.Popen[str], work_dir: Path) -> int:
    file = work_dir / "pausing"
    deadline = time.monotonic() + 90
    while not (file.exists() and file.read_text("utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(file.read_text("utf-8"))


def waiting(after: int) -> tuple[str, ...]:
    return ("-o", f"train_dataloader.dataset={{type: Waiting, after: {after}}}")


def test_a_data_loader_that_hangs_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    process = start(tmp_path, *WATCHED, *waiting(65))
    pid_at_pause(process, tmp_path)
    out, err = process.communicate(timeout=45)
    assert process.returncode == 3, out + err
    assert "the run hangs\n  rank 0 (process " in err
    assert "waits for the data of step 14" in err
    (stacks,) = tmp_path.glob("*/hang.txt")
    assert "in pause" in stacks.read_text("utf-8")
    saved = torch.load(tmp_path / "stopped_iter_13.pth", weights_only=True)
    assert saved["meta"]["iter"] == 13


def test_a_stopped_rank_is_named(tmp_path: Path) -> None:
    process = start(
        tmp_path,
        *TWO,
        *WATCHED,
        "-o",
        "custom_hooks.1.point=step",
        "-o",
        "custom_hooks.1.rank=1",
        "-o",
        "custom_hooks.1.at=6",
    )
    pid = pid_at_pause(process, tmp_path)
    os.kill(pid, signal.SIGSTOP)
    try:
        out, err = process.communicate(timeout=90)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert process.returncode == 3, out + err
    assert "rank 1 does not answer: its process is stopped or dead\n  rank 0 (process " in err
    assert ": is in step " in err


def test_a_collective_operation_that_waits_in_vain_is_named(tmp_path: Path) -> None:
    limits = ("env_cfg.dist_cfg.timeout=15", "env_cfg.watchdog.timeout=90")
    places = ("custom_hooks.1.point=step", "custom_hooks.1.rank=1", "custom_hooks.1.at=6")
    process = start(tmp_path, *TWO, *(part for each in (*limits, *places) for part in ("-o", each)))
    pid = pid_at_pause(process, tmp_path)
    os.kill(pid, signal.SIGSTOP)
    try:
        out, err = process.communicate(timeout=150)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert process.returncode == 3, out + err
    assert "error: rank 0: a collective operation has waited for too long, the run hangs\n" in err
    assert "rank 1 does not answer: its process is stopped or dead\n  rank 0 (process " in err
    assert ": waited in a collective operation of step " in err
    (stacks,) = tmp_path.glob("*/hang.txt")
    assert "in train_step" in stacks.read_text("utf-8")


def test_a_worker_that_the_kernel_kills_is_said_so(tmp_path: Path) -> None:
    process = start(tmp_path, "-o", "train_dataloader.num_workers=1", *waiting(15))
    os.kill(pid_at_pause(process, tmp_path), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert "was killed with SIGKILL, as the kernel does when memory runs out" in err
    assert "exited unexpectedly" not in err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("[../gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:1"), "rank 1: lost its connection"),
        (ValueError("of the user"), "error: rank 1: ValueError, which ends all ranks"),
    ],
)
def test_who_speaks_is_named(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert report(error) == 3
    assert words in capsys.readouterr().err
