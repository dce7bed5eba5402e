from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import runner
from runner.dist.launch import default_processes, launch
from runner.errors import LaunchError

LAUNCH = "import sys; from runner.dist.launch import launch; sys.exit(launch(sys.argv[1:], nproc_per_node=2))"

RANK = """
import os, pathlib, signal, sys, time

def save(number, frame):
    (folder / f"{os.environ['RANK']}left").touch()
    sys.exit(75)

signal.signal(signal.SIGTERM, save)
folder = pathlib.Path(sys.argv[1])
(folder / os.environ["RANK"]).write_text(os.environ["WORLD_SIZE"])
if sys.argv[2:] == ["wait"]:
    time.sleep(60)
if sys.argv[2:] == ["fail"] and os.environ["RANK"] == "1":
    sys.exit(1)
if sys.argv[2:] == ["die"] and os.environ["RANK"] == "1":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def start(tmp_path):
    """Start a launcher whose ranks run the script above in place of `python -m runner`."""
    package = tmp_path / "runner"
    package.mkdir()
    (package / "__init__.py").write_text(f"__path__.append({os.path.dirname(runner.__file__)!r})\n")  # noqa: PTH120
    (package / "__main__.py").write_text(RANK)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", LAUNCH, str(tmp_path), *arguments]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for launcher in started:
        launcher.kill()
        launcher.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 0, ""),
        (["fail"], 1, "ended with exit code 1"),
        (["die"], 3, "was killed by SIGKILL"),
    ],
)
def test_exit_codes(start, tmp_path, arguments, code, says):
    launcher = start(*arguments)
    _, errors = launcher.communicate(timeout=120)
    assert launcher.returncode == code, errors
    assert says in errors
    assert (tmp_path / "1").read_text() == "2", "the world size"


@pytest.mark.slow
def test_a_signal_reaches_all_ranks_and_their_exit_code_comes_back(start, tmp_path):
    launcher = start("wait")
    deadline = time.monotonic() + 100
    while not all((tmp_path / rank).exists() for rank in "01"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    launcher.send_signal(signal.SIGTERM)
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 75, errors
    assert "rank 0: 75, rank 1: 75" in errors


@pytest.mark.slow
def test_ranks_leave_when_their_launcher_was_killed(start, tmp_path):
    launcher = start("wait")
    deadline = time.monotonic() + 240
    while not all((tmp_path / rank).exists() for rank in "01"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    launcher.kill()
    while not all((tmp_path / f"{rank}left").exists() for rank in "01"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_process_is_an_error():
    with pytest.raises(LaunchError, match="1 or more"):
        launch([], nproc_per_node=0)


def test_one_process_where_there_is_no_gpu():
    assert default_processes("cpu") == 1
    assert default_processes("cuda:1") == 1
