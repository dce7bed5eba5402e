"""One training at a time in a work directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from runner import dist
from runner.checkpoint.lock import LOCK_NAME, exclusive
from runner.errors import WorkDirInUse

HOLD = """
import multiprocessing, sys, time
from runner.checkpoint.lock import exclusive

with exclusive(sys.argv[1], print):
    if sys.argv[2] == "fork":  # a worker that outlives the run, as a data loader's may
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
        worker.start()
        print(worker.pid, flush=True)
    else:
        print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the folder; returns it, and what it printed."""
    started = []

    def start(kind="plain"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), kind],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def fail(message):
    raise AssertionError(message)


def test_a_second_run_is_told_who_holds_it_and_a_dead_one_holds_nothing(tmp_path, holder):
    process, _ = holder()
    with (
        pytest.raises(WorkDirInUse, match=rf"in use by process {process.pid} on .+, since \d{{4}}-"),
        exclusive(tmp_path, fail),
    ):
        pass
    process.kill()
    process.wait()
    with exclusive(tmp_path, fail):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_a_worker_that_outlives_the_run_does_not_hold_it(tmp_path, holder):
    process, worker = holder("fork")
    process.kill()
    process.wait()
    os.kill(int(worker), 0)  # it is there still
    with exclusive(tmp_path, fail):
        pass
    os.kill(int(worker), signal.SIGKILL)


def test_one_after_the_other_in_one_process_but_not_two_at_once(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path, fail):
            with pytest.raises(WorkDirInUse, match=str(os.getpid())), exclusive(tmp_path, fail):
                pass
            (tmp_path / LOCK_NAME).write_text("scribble")
            with pytest.raises(WorkDirInUse, match="another process"), exclusive(tmp_path, fail):
                pass


def test_an_exception_lets_go(tmp_path):
    with pytest.raises(KeyboardInterrupt), exclusive(tmp_path, fail):
        raise KeyboardInterrupt
    with exclusive(tmp_path, fail):
        pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("runner.checkpoint.lock.fcntl.flock", refuse)
    told = []
    with exclusive(tmp_path, told.append):
        assert "without locks (No locks available)" in told[0]


def test_a_folder_that_may_not_be_written(tmp_path):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            tmp_path.chmod(0o555)
            for folder in (tmp_path, *tmp_path.parents):
                folder.chmod(folder.stat().st_mode | 0o005) if folder.stat().st_uid == os.getuid() else None
            if os.getuid() == 0:
                os.setuid(65534)
            with exclusive(tmp_path, fail):
                pass
        except WorkDirInUse as error:
            code = 0 if "can't be used as a work directory: Permission denied" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.world_size(2)
def test_all_ranks_learn_of_it(tmp_path):
    dist.init_dist("pytorch", backend="gloo")
    own = exclusive(tmp_path, fail)
    own.__enter__()
    with pytest.raises(WorkDirInUse, match="in use by process"), exclusive(tmp_path, fail):
        pass
    own.__exit__(None, None, None)
    with exclusive(tmp_path, fail):
        pass
