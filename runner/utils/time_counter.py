"""How long a function or a block takes on average."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from typing_extensions import Self

from runner.dist import is_main_process

__all__ = ["TimeCounter"]

_F = TypeVar("_F", bound=Callable[..., Any])


class TimeCounter:
    """Measures how long a function (as a decorator) or a block (as a context manager) takes, and logs the average.

    Counters of one tag are one object, so that a block in a loop goes on counting. On rank 0 alone.

    Args:
        log_interval: Log each n-th time.
        warmup_interval: From which time on to count, from 1.
        with_sync: Wait for the device before and after, so that its work is measured too.
        tag: What to call it; a function's name by default, required for a block.
        logger: As for `print_log`.
    """

    instance_dict: ClassVar[dict[str | None, Any]] = {}

    log_interval: int
    warmup_interval: int
    with_sync: bool
    tag: str | None
    logger: Any
    _count: int
    _seconds: float
    _started: float

    def __new__(
        cls,
        log_interval: int = 1,
        warmup_interval: int = 1,
        with_sync: bool = True,
        tag: str | None = None,
        logger: Any = None,
    ) -> Self:
        """Give the counter of that tag, or make it."""
        if warmup_interval < 1:
            raise ValueError(f"TimeCounter: warmup_interval is {warmup_interval}; it must be 1 or more")
        if tag is not None and tag in cls.instance_dict:
            known: Self = cls.instance_dict[tag]
            return known
        counter = super().__new__(cls)
        counter.log_interval = log_interval
        counter.warmup_interval = warmup_interval
        counter.with_sync = with_sync
        counter.tag = tag
        counter.logger = logger
        counter._count = 0
        counter._seconds = counter._started = 0.0
        if tag is not None:
            cls.instance_dict[tag] = counter
        return counter

    def __call__(self, fn: _F) -> _F:
        """Measure a function."""
        if self.tag is None:
            self.tag = fn.__name__

        @functools.wraps(fn)
        def measured(*args: Any, **kwargs: Any) -> Any:
            if not is_main_process():
                return fn(*args, **kwargs)
            started = self._now()
            result = fn(*args, **kwargs)
            self._add(self._now() - started)
            return result

        return measured  # type: ignore[return-value] # it is called as the function is

    def __enter__(self) -> Self:
        if self.tag is None:
            raise ValueError("TimeCounter: give a tag, by which the log tells one block from another")
        if is_main_process():
            self._started = self._now()
        return self

    def __exit__(self, *error: object) -> None:
        if is_main_process():
            self._add(self._now() - self._started)

    def _now(self) -> float:
        if self.with_sync and torch.accelerator.is_available():
            torch.accelerator.synchronize()
        return time.perf_counter()

    def _add(self, seconds: float) -> None:
        self._count += 1
        self.print_time(seconds)

    def print_time(self, elapsed: float) -> None:
        """Take a time into the average, and log that where it is due.

        Args:
            elapsed: Seconds.
        """
        from runner.logging import print_log

        if self._count < self.warmup_interval:
            return
        self._seconds += elapsed
        if self._count % self.log_interval == 0:
            average = 1000 * self._seconds / (self._count - self.warmup_interval + 1)
            print_log(
                f"[{self.tag}]-time per run averaged in the past {self._count} runs: {average:.1f} ms", self.logger
            )
