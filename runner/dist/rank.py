"""`python -m runner`, as one rank of a group that `launch` started: leaves its exit code for the launcher."""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from runner.dist.launch import EXIT_CODES, FAILED

__all__ = ["main"]


INTERVAL = 1.0
"""Seconds from one look at the launcher to the next."""


def main() -> None:
    """Run the command line, and write down how it ended."""
    threading.Thread(target=_leave_without, args=(os.getppid(),), name="runner-orphan", daemon=True).start()
    code: object = FAILED
    try:
        runpy.run_module("runner", run_name="__main__")
        code = 0
    except SystemExit as ending:
        code = 0 if ending.code is None else ending.code
    finally:
        number = code if isinstance(code, int) else FAILED
        folder = os.environ.get(EXIT_CODES)
        if folder and Path(folder).is_dir():
            Path(folder, os.environ["RANK"]).write_text(str(number), encoding="utf-8")
    _end(number)


def _end(code: int) -> None:
    """End the process as the interpreter does, but for taking itself down.

    A thread of gloo's may still hold what belongs to Python, and lets it go when it comes to it. Where that is amid the
    interpreter's end, the process is aborted, and a rank that has done all its work counts as failed.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing ends its processes
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave_without(launcher: int) -> None:
    """Ask this process to leave when its launcher was killed: nobody else would, and a new one would find it at work."""
    while os.getppid() == launcher:
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.argv[0] = "runner"
    main()
