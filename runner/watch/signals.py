"""What a command that trains does with the signals that ask it to leave."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from runner.errors import Stopped

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["StopSignals"]


class StopSignals:
    """Notes the first SIGTERM, SIGINT or SIGUSR1, for the run to leave where it may; a context that puts all back.

    Before the run can be left with a checkpoint (`leave_at_once` says so: while it starts, and while it waits for data)
    the signal raises `Stopped` on the spot. A second SIGINT raises KeyboardInterrupt, whatever is under way.

    Attributes:
        received: The first signal, None before there is one.
        hangs: Whether it is the watchdog that asks, through a signal, since the run hangs.
        is_over: Whether the run has failed, on another rank, and ends in any case: signals change nothing then.
        leave_at_once: Asked when a signal comes, in the main thread, amid whatever it does there.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.hangs = False
        self.is_over = False
        self.leave_at_once: Callable[[], bool] = lambda: True
        self._before: dict[int, Any] = {}
        self._interrupts = 0
        self._process = os.getpid()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # nowhere else can they be taken
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def give_up(self) -> None:
        """The run has failed on another rank: whatever signal comes now, there is nothing to leave with."""
        self.is_over = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() != self._process:
            return  # a forked worker, which its loader ends when the time has come
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt
        if self.received is not None or self.is_over:
            return
        self.received = signal.Signals(number)
        if self.leave_at_once():
            raise Stopped("the watchdog" if self.hangs else self.received.name)
        # Neither the log nor a stream may be used here: the signal may have come amid a write to it.
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, self._notice())

    def _notice(self) -> bytes:
        assert self.received is not None
        name = self.received.name
        again = "; once more stops it at once" if self.received is signal.SIGINT else ""
        return f"{name}: the run leaves after this step, with a checkpoint{again}\n".encode()
