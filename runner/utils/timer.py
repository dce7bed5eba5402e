"""A stopwatch."""

from __future__ import annotations

import sys
import time
from typing import Any

from typing_extensions import Self

__all__ = ["Timer", "TimerError", "check_time"]


class TimerError(Exception):
    """A timer is asked for the time that does not run."""


class Timer:
    """Measures wall-clock time; as a context manager it writes to standard output how long the block took.

    Args:
        start: Start it now.
        print_tmpl: How the block's seconds are written; `{:.3f}` by default.
    """

    def __init__(self, start: bool = True, print_tmpl: str | None = None) -> None:
        self._is_running = False
        self._started = self._checked = 0.0
        self.print_tmpl = print_tmpl or "{:.3f}"
        if start:
            self.start()

    @property
    def is_running(self) -> bool:
        """Whether it has been started."""
        return self._is_running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        sys.stdout.write(f"{self.print_tmpl.format(self.since_last_check())}\n")
        self._is_running = False

    def start(self) -> None:
        """Start it, or take a running one's check anew."""
        self._checked = time.monotonic()
        if not self._is_running:
            self._started = self._checked
            self._is_running = True

    def since_start(self) -> float:
        """Seconds since it was started; it counts as a check.

        Raises:
            TimerError: It does not run.
        """
        return self._check() - self._started

    def since_last_check(self) -> float:
        """Seconds since the last check, or since it was started.

        Raises:
            TimerError: It does not run.
        """
        before = self._checked
        return self._check() - before

    def _check(self) -> float:
        if not self._is_running:
            raise TimerError("the timer does not run; call start()")
        self._checked = time.monotonic()
        return self._checked


_timers: dict[Any, Timer] = {}


def check_time(timer_id: Any) -> float:
    """Seconds since the last call with the same name; 0 at the first."""
    if timer_id not in _timers:
        _timers[timer_id] = Timer()
        return 0.0
    return _timers[timer_id].since_last_check()
