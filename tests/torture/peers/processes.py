"""Launches of a framework: forks of a process that has imported it, killed and watched from outside."""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from parts import Spec

__all__ = ["Launch"]

LIMIT = 900.0
"""Seconds after which a launch hangs; machines that have other work to do are slow."""


class Launch:
    """A run that was started or resumed.

    Args:
        framework: The module of the framework.
        spec: What it trains.
        log: Takes what it prints; the trace lies beside it.
        most_bytes: The largest file that it may write, as on a disk that is full.
        temporary: Its folder for temporary files.
    """

    def __init__(
        self,
        framework: ModuleType,
        spec: Spec,
        log: Path,
        *,
        most_bytes: int | None = None,
        temporary: Path | None = None,
    ) -> None:
        self.log = log
        self.trace = log.with_suffix(".trace")
        self.started = time.monotonic()
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _run(framework, spec.but(trace=str(self.trace)), log, most_bytes, temporary)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended(status)
        return self.code is None

    def wait(self) -> int:
        """Wait for its end; its exit code. One that hangs is killed."""
        while self.is_running():
            if time.monotonic() - self.started > LIMIT:
                self.kill()
            time.sleep(0.02)
        assert self.code is not None
        return self.code

    def kill(self) -> bool:
        """Kill it as `kill -9` does; whether it was still running."""
        if not self.is_running():
            return False
        os.kill(self.pid, signal.SIGKILL)
        self._ended(os.waitpid(self.pid, 0)[1])
        return self.code == -signal.SIGKILL

    def _ended(self, status: int) -> None:
        self.code = os.waitstatus_to_exitcode(status)
        with suppress(ProcessLookupError, PermissionError):  # workers that outlive it
            os.killpg(self.pid, signal.SIGKILL)

    def reach(self, batches: int) -> bool:
        """Wait until it has begun so many batches; whether it has."""
        place = begun = 0
        while self.is_running():
            if self.trace.exists():
                with self.trace.open("rb") as file:
                    file.seek(place)
                    new = file.read()
                place += len(new)
                begun += new.count(b'"at"')
            if begun >= batches:
                return True
            if time.monotonic() - self.started > LIMIT:
                return False
            time.sleep(0.002)
        return False

    @property
    def _lines(self) -> list[dict[str, Any]]:
        if not self.trace.exists():
            return []
        text = self.trace.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def batches(self) -> list[dict[str, Any]]:
        """What it trained on."""
        return [line for line in self._lines if "ids" in line]

    @property
    def start(self) -> int | None:
        """The batches that counted as trained on when it began; None where it did not get so far."""
        return next((line["start"] for line in self._lines if "start" in line), None)

    @property
    def error(self) -> str:
        """The last line of what it printed that tells an error."""
        text = self.log.read_text(encoding="utf-8", errors="replace").replace(f"{self.log.parent}/", "")
        lines = [line.strip() for line in text.splitlines()]
        told = [line for line in lines if "Error" in line.partition(":")[0] or line.startswith("error")]
        return (told or lines or [""])[-1][:160]


def _run(framework: ModuleType, spec: Spec, log: Path, most_bytes: int | None, temporary: Path | None) -> None:
    """The fork: as a Python that runs a script, to its exit code."""
    code = 1
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if temporary is not None:
            os.environ["TMPDIR"] = str(temporary)
            tempfile.tempdir = None  # it was looked up before the fork
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        Path(spec.folder).mkdir(parents=True, exist_ok=True)
        try:
            code = framework.train(spec)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        except BaseException:  # noqa: BLE001 - as the interpreter does
            traceback.print_exc()
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
