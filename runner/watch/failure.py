"""An exception on one rank ends all of them, with one account of what happened."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from runner.dist import get_rank, get_world_size
from runner.dist.launch import EXIT_CODES, FAILED, FIRST_FAILURE
from runner.watch.fence import own_connection

__all__ = ["SharedFailure", "in_short"]

INTERVAL = 0.25
"""Seconds from one look at the store to the next, in a thread of its own."""
PATIENCE = 2.0
"""Seconds that a rank which has failed waits for the others to hear of it: the store may go away with it."""
GRACE = 3.0
"""Seconds in which a rank that hears of it can end by itself, as in an operation that the other has left."""
CLOSING = 30.0
"""Seconds that a rank which does end by itself has for closing its log, its visualizer's backends and its group."""

_made = itertools.count()


class SharedFailure:
    """Tells the other ranks that one has failed, so that they end too, whatever they are doing.

    Without it, a rank that waits for data, computes for long, or is in an operation on a GPU, ends when its launcher has
    lost its patience. All goes through the group's key-value store and a thread of its own; a step costs nothing.

    Args:
        heard: Called in that thread when another rank has failed.
        before_end: Called in that thread before it ends the process: what has to be finished.

    Attributes:
        first: The other rank that failed first, and what it said; None as long as none is known.
    """

    def __init__(self, heard: Callable[[], None], before_end: Callable[[], None]) -> None:
        self.first: tuple[int, str] | None = None
        self._heard, self._before_end = heard, before_end
        self._rank, self._world_size = get_rank(), get_world_size()
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._prefix = f"runner/failure/{attempt}/{next(_made)}"
        self._closed, self._closing = threading.Event(), threading.Event()
        self._store = own_connection()
        threading.Thread(target=self._listen, name="runner-failure", daemon=True).start()

    def tell(self, error: BaseException, words: str | None = None) -> None:
        """Say that this rank fails, unless another has said so of itself; returns when the others know.

        Args:
            error: What is raised.
            words: What to say of it; by default its type and its first line.
        """
        if self.first is not None:
            return
        what = f"{self._rank} {words or in_short(error)}"
        try:
            said = self._store.compare_set(f"{self._prefix}/what", "", what).decode()
            _note(said)
            if said != what:
                self._take(said)
                return
            keys = [f"{self._prefix}/{rank}" for rank in range(self._world_size) if rank != self._rank]
            deadline = time.monotonic() + PATIENCE
            while not self._store.check(keys) and time.monotonic() < deadline:
                time.sleep(0.02)
        except RuntimeError:
            return  # the store went away with rank 0

    def account(self) -> str:
        """What a rank that ends for another one's sake says."""
        assert self.first is not None
        rank, what = self.first
        return f"ends with rank {rank}, which failed ({what})"

    def closing(self) -> None:
        """This rank ends by itself, and is about to close what it has opened: that takes its time, and may hang."""
        self._closing.set()

    def close(self) -> None:
        """Listen no more."""
        self._closed.set()

    def _take(self, said: str) -> None:
        rank, _, what = said.partition(" ")
        self.first = (int(rank), what)

    def _listen(self) -> None:
        key = f"{self._prefix}/what"
        try:
            while not self._store.check([key]):
                if self._closed.wait(INTERVAL):
                    return
            said = self._store.get(key).decode()
            if int(said.partition(" ")[0]) == self._rank:
                return
            self._take(said)
            _note(said)
            self._heard()
            self._store.set(f"{self._prefix}/{self._rank}", "heard")
        except RuntimeError:
            return  # the store went away with rank 0: its end is everybody's
        if self._closed.wait(GRACE):
            return
        self._before_end()
        if self._closed.wait(CLOSING if self._closing.is_set() else 0.0):
            return
        sys.stderr.write(f"error: rank {self._rank}: {self.account()}\n")
        sys.stderr.flush()
        os._exit(FAILED)


def in_short(error: BaseException) -> str:
    """An error's type and its first line."""
    line = next(iter(str(error).splitlines()), "")[:300]
    return type(error).__name__ + (f": {line}" if line else "")


def _note(said: str) -> None:
    """Write down for this machine's launcher which rank was the first."""
    folder = os.environ.get(EXIT_CODES)
    if folder and Path(folder).is_dir():
        Path(folder, FIRST_FAILURE).write_text(said, encoding="utf-8")
