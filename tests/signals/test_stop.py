"""A signal from outside, at chosen places of a run: it leaves with a checkpoint, and what goes on equals a run without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import read_scalars

PROJECT = Path(__file__).parent / "project"
TIMES = {"time", "data_time", "memory"}
TWO = ("--launcher", "pytorch", "--nproc-per-node", "2")


def command(work_dir: Path, *arguments: str) -> list[str]:
    config = str(PROJECT / "cfg.yaml")
    return [sys.executable, "-m", "runner", "train", config, "--work-dir", str(work_dir), "--device", "cpu", *arguments]


def train(work_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(work_dir, *arguments),
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        check=False,
    )


def interrupt(
    work_dir: Path,
    *arguments: str,
    number: signal.Signals = signal.SIGTERM,
    to_rank: bool = False,
    to_group: bool = False,
    times: int = 1,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Train, and send a signal once the run says that it is where it is wanted."""
    process = subprocess.Popen(
        command(work_dir, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=to_group,
        env={**os.environ, "OMP_NUM_THREADS": "1", "WAIT": str(work_dir / "pausing"), **environment},
    )
    file = work_dir / "pausing"
    deadline = time.monotonic() + 90
    while not (file.exists() and file.read_text("utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(times):
        time.sleep(0.1)
        if to_group:
            os.killpg(process.pid, number)
        else:
            os.kill(int(file.read_text("utf-8")) if to_rank else process.pid, number)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def pause(point: str, at: int, rank: int = 0) -> tuple[str, ...]:
    values = {"point": point, "at": at, "rank": rank}
    return tuple(part for key, value in values.items() for part in ("-o", f"custom_hooks.1.{key}={value}"))


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


def assert_same_run(work_dir: Path, straight: Path) -> None:
    got, expected = (torch.load(each / "epoch_3.pth", weights_only=True) for each in (work_dir, straight))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers", "data", "ranks"):
        assert_equal(got[part], expected[part], part)
    rows = [
        [{key: value for key, value in row.items() if key not in TIMES} for row in read_scalars(each)]
        for each in (work_dir, straight)
    ]
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("straight")
    done = train(work_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    return work_dir


@pytest.fixture(scope="module")
def straight_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("straight_two")
    done = train(work_dir, *TWO)
    assert done.returncode == 0, done.stdout + done.stderr
    return work_dir


@pytest.mark.parametrize(
    ("point", "at", "number", "stopped"),
    [
        ("step", 13, signal.SIGTERM, 14),
        ("step", 19, signal.SIGUSR1, 20),  # the last of an epoch, before its hooks and the validation
        ("save", 10, signal.SIGTERM, 10),  # the checkpoint of the epoch is written whole, then the validation is left
        ("val", 20, signal.SIGINT, 20),
    ],
)
def test_a_signal_stops_with_a_checkpoint(
    straight: Path, tmp_path: Path, point: str, at: int, number: signal.Signals, stopped: int
) -> None:
    first = interrupt(tmp_path, *pause(point, at), number=number)
    assert first.returncode == 75, first.stdout + first.stderr
    assert f"stopped by {number.name} after iteration {stopped}, saved in " in first.stderr
    assert [file.name for file in tmp_path.glob("stopped_*")] == [f"stopped_iter_{stopped}.pth"]
    second = train(tmp_path, "--resume")
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"stopped_iter_{stopped}.pth" in second.stdout
    assert_same_run(tmp_path, straight)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_of_the_run_leaves_it_its_workers(
    straight: Path, tmp_path: Path, number: signal.Signals
) -> None:
    workers = ("-o", "train_dataloader.num_workers=2")
    first = interrupt(tmp_path, *pause("step", 7), *workers, number=number, to_group=True)
    assert first.returncode == 75, first.stdout + first.stderr
    second = train(tmp_path, "--resume")
    assert second.returncode == 0, second.stdout + second.stderr
    assert_same_run(tmp_path, straight)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_wait_for_data_is_left(straight: Path, tmp_path: Path, workers: int) -> None:
    slow = (
        "-o",
        # Each worker counts what it reads itself, anew in each epoch.
        f"train_dataloader.dataset={{type: Waiting, after: {20 if workers else 65}}}",
        "-o",
        f"train_dataloader.num_workers={workers}",
    )
    first = interrupt(tmp_path, *slow)
    assert first.returncode == 75, first.stdout + first.stderr
    second = train(tmp_path, "--resume")
    assert second.returncode == 0, second.stdout + second.stderr
    assert_same_run(tmp_path, straight)


@pytest.mark.parametrize(
    ("point", "at", "rank", "to_rank"), [("step", 6, 0, False), ("step", 7, 1, True), ("val", 5, 1, True)]
)
def test_two_ranks_leave_at_the_same_place(
    straight_two: Path, tmp_path: Path, point: str, at: int, rank: int, to_rank: bool
) -> None:
    first = interrupt(tmp_path, *TWO, *pause(point, at, rank), to_rank=to_rank)
    assert first.returncode == 75, first.stdout + first.stderr
    assert "SIGTERM on rank " in first.stderr
    assert len(list(tmp_path.glob("stopped_iter_*.pth"))) == 1
    second = train(tmp_path, *TWO, "--resume")
    assert second.returncode == 0, second.stdout + second.stderr
    assert_same_run(tmp_path, straight_two)


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    done = interrupt(tmp_path, *pause("step", 13), number=signal.SIGINT, times=2)
    assert done.returncode == 3
    assert "once more stops it at once" in done.stderr
    assert not list(tmp_path.glob("stopped_*"))


def test_before_the_first_step_there_is_nothing_to_save(straight: Path, tmp_path: Path) -> None:
    first = interrupt(tmp_path, *pause("start", 0))
    assert first.returncode == 75, first.stdout + first.stderr
    assert "before the first step" in first.stderr
    second = train(tmp_path, "--resume")
    assert second.returncode == 0, second.stdout + second.stderr
    assert_same_run(tmp_path, straight)


def test_slurm_is_asked_to_requeue(tmp_path: Path) -> None:
    """With SLURM's variables and a `scontrol` that notes what it is called with, as no SLURM runs here."""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "calls"}\n', encoding="utf-8")
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "123", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    first = interrupt(tmp_path / "w", *pause("step", 13), "--requeue", number=signal.SIGUSR1, **slurm)
    assert first.returncode == 75, first.stdout + first.stderr
    assert (tmp_path / "calls").read_text("utf-8") == "requeue 123\n"
    second = train(tmp_path / "w", "--requeue", **slurm, SLURM_RESTART_COUNT="1")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "resumed from" in second.stdout
    refused = train(tmp_path / "w", "--requeue")
    assert refused.returncode == 3
    assert "SLURM_JOB_ID" in refused.stderr
