"""Groups that die are started again; whom torchrun would start again is warned."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.dist import supervise
from runner.dist.launch import Ending, attempt
from runner.dist.launcher import Group
from runner.dist.supervise import restart_from, warn_of_shared_store

SCRIPT = Path(__file__).parents[1] / "torture" / "ranks.py"


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("torture_ranks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_one_rank_of_two_is_killed(tmp_path: Path) -> None:
    ranks = load_script()
    expected = ranks.straight(tmp_path / "straight")
    chance = random.Random(3)
    outcomes = [ranks.killed(tmp_path / f"round{number}", expected, chance) for number in range(3)]
    assert all(outcome.equal for outcome in outcomes if outcome.hit), [outcome.log[-3000:] for outcome in outcomes]
    assert any(outcome.hit for outcome in outcomes)


@pytest.mark.slow
def test_one_rank_of_two_is_stopped(tmp_path: Path) -> None:
    ranks = load_script()
    expected = ranks.straight(tmp_path / "straight")
    watched = ("-o", "env_cfg.watchdog={timeout: 8, phase_timeout: 8}")
    outcome = ranks.killed(tmp_path / "round", expected, random.Random(5), signal.SIGSTOP, *watched)
    assert outcome.hit
    assert outcome.equal, outcome.log[-3000:]


def test_a_group_that_saves_nothing_new_is_given_up(tmp_path: Path) -> None:
    ranks = load_script()
    command = [*ranks.command(tmp_path, "-o", "model.fails=true", "--max-restarts", "9")]
    command[command.index("--nproc-per-node") + 1] = "1"
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 3, done.stderr
    assert "attempt 2 of 10 starts over, as nothing was saved yet, in 1 s" in done.stderr
    assert "3 attempts in a row saved nothing new" in done.stderr


def test_what_a_shared_folder_shows_late_was_saved_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another machine's rank saves in each attempt, and this machine sees it after it has looked."""
    saves = itertools.count(1)

    def appears(_: float) -> None:
        note = tmp_path / "last_checkpoint"
        note.write_text("iter_1.pth", encoding="utf-8")
        os.utime(note, (0, next(saves)))

    monkeypatch.setattr(supervise, "attempt", lambda *_: Ending(code=3, what="rank 0 died"))
    monkeypatch.setattr(supervise.time, "sleep", appears)
    assert supervise.supervise([], Group(processes=1), str(tmp_path), 7) == 3
    assert "that was the last of 8 attempts" in capsys.readouterr().err


def test_two_machines_meet(tmp_path: Path) -> None:
    ranks = load_script()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meeting = ["--nnodes", "2", "--rdzv-endpoint", f"localhost:{port}"]
    processes = []
    for number in range(2):
        command = [*ranks.command(tmp_path), *meeting, "--node-rank", str(number)]
        command[command.index("--nproc-per-node") + 1] = "1"
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    outputs = [process.communicate(timeout=180)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert (tmp_path / "epoch_3.pth").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--nnodes", "2"], "give --rdzv-endpoint HOST:PORT"),
        (["--node-rank", "1"], "give 0 to 0"),
    ],
)
def test_machines_that_can_not_meet_are_refused(tmp_path: Path, flags: list[str], words: str) -> None:
    ranks = load_script()
    done = subprocess.run([*ranks.command(tmp_path), *flags], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 3
    assert words in done.stderr


def test_signals_are_what_they_were_when_an_attempt_is_over() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    assert attempt(["explain", "unknown-key"], Group(processes=1)).code == 0
    assert [signal.getsignal(number) for number in numbers] == before


def test_torchruns_own_restarts_are_warned_of() -> None:
    torchrun = {"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    warning = warn_of_shared_store(torchrun)
    assert warning is not None
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in warning
    assert warn_of_shared_store({**torchrun, "TORCHELASTIC_USE_AGENT_STORE": "False"}) is None
    assert warn_of_shared_store({**torchrun, "TORCHELASTIC_MAX_RESTARTS": "0"}) is None
    assert warn_of_shared_store({}) is None


def test_a_restarted_rank_goes_on_from_what_it_is_told(tmp_path: Path) -> None:
    assert restart_from({"RUNNER_RESTART_FROM": "w/epoch_1.pth"}, str(tmp_path)) == "w/epoch_1.pth"
    assert restart_from({"TORCHELASTIC_RESTART_COUNT": "1"}, str(tmp_path)) is None  # nothing was saved yet
    assert restart_from({}, str(tmp_path)) is None
