"""Brings what our modules say through the standard library's `logging` into the log of the Runner at work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["forwarded"]

_NAMESPACE: Final = "runner"


class _Forward(logging.Handler):
    def __init__(self, log: Callable[[int, str, str], Any], is_wanted: Callable[[], bool]) -> None:
        super().__init__()
        self._log = log
        self._is_wanted = is_wanted

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_wanted():
            self._log(record.levelno, "%s", record.getMessage())


@contextmanager
def forwarded(log: Callable[[int, str, str], Any], level: int, is_wanted: Callable[[], bool]) -> Iterator[None]:
    """Hand on, for the length of a `with` block, what is said under the name of this package.

    Loggers of other names, and what a host program configured, stay as they are.

    Args:
        log: Takes the level and the message.
        level: The least severe level that is handed on.
        is_wanted: Asked at each message; it is false in the threads of another Runner.
    """
    source = logging.getLogger(_NAMESPACE)
    handler = _Forward(log, is_wanted)
    before = source.level
    source.addHandler(handler)
    source.setLevel(min(level, before) if before else level)
    try:
        yield
    finally:
        source.removeHandler(handler)
        source.setLevel(before)
