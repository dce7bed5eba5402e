"""Ctrl-C in a terminal, while `runner train --launcher pytorch` trains two ranks in sessions of their own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[1] / "signals" / "project" / "cfg.yaml"
CTRL_C = b"\x03"
PATIENCE = 250.0

IN_FOREGROUND = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.argv[2], sys.argv[2:])"
"""The first terminal that the leader of a session opens is its own."""


class Terminal:
    """A command in the foreground of a terminal of its own.

    Args:
        command: The command.
        environ: Its environment.
    """

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._keys, screen = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_FOREGROUND, os.ttyname(screen), *command],
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env=environ,
            start_new_session=True,
        )
        os.close(screen)
        self._read = bytearray()
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def _follow(self) -> None:
        try:
            while chunk := os.read(self._keys, 4096):
                self._read += chunk
        except OSError:
            return  # the last process that had it open has ended

    @property
    def screen(self) -> str:
        """All that was printed."""
        return self._read.decode(errors="replace")

    def press(self, key: bytes) -> None:
        os.write(self._keys, key)

    def until(self, words: str) -> None:
        """Wait until it says so."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.screen:
            assert self.process.poll() is None, self.screen
            assert time.monotonic() < deadline, self.screen
            time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=10)
        os.close(self._keys)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Two ranks; the data of the fifth step keeps one of them waiting for a minute, while the other waits for it."""
    waiting = ("-o", "train_dataloader.dataset={type: Waiting, after: 20}")
    launcher = ("--launcher", "pytorch", "--nproc-per-node", "2", "--max-restarts", "2", "--device", "cpu")
    command = [
        sys.executable,
        "-m",
        "runner",
        "train",
        str(CONFIG),
        "--work-dir",
        str(tmp_path / "w"),
        *waiting,
        *launcher,
    ]
    started = Terminal(command, {**os.environ, "OMP_NUM_THREADS": "1", "WAIT": str(tmp_path / "waits")})
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "waits").exists():
            assert started.process.poll() is None, started.screen
            assert time.monotonic() < deadline, started.screen
            time.sleep(0.02)
        yield started
    finally:
        started.close()


@pytest.mark.slow
def test_the_second_one_stops_all_ranks_at_once(terminal: Terminal, tmp_path: Path) -> None:
    terminal.press(CTRL_C)
    terminal.until("once more stops it at once")
    terminal.press(CTRL_C)
    assert terminal.process.wait(timeout=PATIENCE) == 3, terminal.screen
    assert not list((tmp_path / "w").glob("stopped_*")), terminal.screen
    assert "SIGINT was handed on to all ranks" in terminal.screen
    assert "attempt 2" not in terminal.screen
