"""Launches of `runner train`: real processes, forked from one that has torch imported, and killed from outside.

A process that starts by itself spends seconds on imports, which would make a hundred rounds take an hour. A fork of this
one is a process like any other to the kernel, to the disk and to its signals; and some launches do start by themselves,
with another hash seed too.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from runner.checkpoint.index import TEMPORARY_PATTERN

__all__ = ["HITS", "Launch", "at_time", "in_write"]

LIMIT = 180.0
"""Seconds after which a launch hangs."""

HITS = {"write": ".pth", "index": "checkpoints.json", "pointer": "last_checkpoint"}


class Launch:
    """A `runner train` that has been started.

    Args:
        arguments: What follows `runner`.
        log: Takes its output.
        is_cold: Whether it starts by itself rather than as a fork.
    """

    def __init__(self, arguments: list[str], log: Path, *, is_cold: bool = False) -> None:
        self.log = log
        self.started = time.monotonic()
        self.since = time.time()
        self.code: int | None = None
        self.pid = _start(arguments, log) if is_cold else _fork(arguments, log)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def wait(self) -> int:
        """Wait for its end; its exit code.

        Raises:
            TimeoutError: It does not end.
        """
        while self.is_running():
            if time.monotonic() - self.started > LIMIT:
                self.kill()
                raise TimeoutError(f"a launch did not end within {LIMIT:g} s; see {self.log}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def kill(self) -> bool:
        """Kill it as `kill -9` does; whether it was still running."""
        if not self.is_running():
            return False
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code == -signal.SIGKILL

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def _start(arguments: list[str], log: Path) -> int:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments], stdout=out, stderr=out, start_new_session=True
        ).pid


def _fork(arguments: list[str], log: Path) -> int:
    log.touch()  # the child may be killed before it comes to that
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        from runner.cli.app import run

        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def at_time(launch: Launch, work_dir: Path, seconds: float) -> str | None:
    """Kill a launch after so many seconds; where that was, or None if it had ended.

    Args:
        launch: The launch.
        work_dir: Its work directory.
        seconds: From its start.
    """
    while launch.is_running() and time.monotonic() < launch.started + seconds:
        time.sleep(0.001)
    return _what(work_dir, launch.since) if launch.kill() else None


def in_write(launch: Launch, work_dir: Path, seconds: float, draw: random.Random) -> str | None:
    """Kill a launch within the first write of a checkpoint after so many seconds; where that was, None if it had ended.

    Args:
        launch: The launch.
        work_dir: Its work directory.
        seconds: From its start.
        draw: What decides how long after the temporary file's appearance.
    """
    delay = draw.choice([0.0, 0.0, draw.uniform(0, 0.004), draw.uniform(0, 0.015)])
    while launch.is_running() and time.monotonic() < launch.started + seconds:
        time.sleep(0.001)
    before = _parts(work_dir)
    while launch.is_running():
        appeared = _parts(work_dir)
        if appeared - before:
            time.sleep(delay)
            return _what(work_dir, launch.since) if launch.kill() else None
        before = appeared
        time.sleep(0.0002)
    return None


def _parts(work_dir: Path) -> set[str]:
    """Files that are being written."""
    try:
        return {path.name for path in work_dir.glob(TEMPORARY_PATTERN)}
    except FileNotFoundError:  # one of them went while the folder was read
        return set()


def _what(work_dir: Path, since: float) -> str:
    """What a dead process was doing, by what it, and none before it, left behind."""
    left = {name for name in _parts(work_dir) if (work_dir / name).stat().st_mtime >= since - 0.01}
    found: Callable[[str], bool] = lambda part: any(part in name for name in left)  # noqa: E731 - one line, used once
    return next((hit for hit, part in HITS.items() if found(part)), "elsewhere")
