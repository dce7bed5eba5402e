"""Which place in the run all ranks leave at, when one of them was asked to."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import distributed as torch_dist
from torch.distributed import distributed_c10d
from torch.distributed.distributed_c10d import PrefixStore

from runner.dist import get_rank, get_world_size
from runner.dist.launch import FAILED
from runner.errors import LaunchError

__all__ = ["OVER", "Fence", "Place", "own_connection"]

INTERVAL = 0.25
"""Seconds from one look at the store to the next, in a thread of its own."""

_fences = itertools.count()


class Place(NamedTuple):
    """A place where a run may be left; all ranks come to the same ones, in this order.

    Attributes:
        round: How often training was begun, as it is after going back to a checkpoint.
        iteration: Steps that are finished.
        stage: 0 at the step's end, 1 in the validation that follows it.
    """

    round: int
    iteration: int
    stage: int


OVER = Place(2**62, 0, 0)
"""Behind all others."""


class Fence:
    """Lets all ranks leave at the same place, at no cost to those that nobody asks.

    Whoever is asked writes so into the group's key-value store. There, a thread of each rank sees it, holds its rank
    at the next place, and writes down the last one that it has passed. All leave at the first place behind the last of
    these; whoever has not come there yet goes on. So a rank that is in a collective operation is waited for, and a step
    costs a lock that nobody else holds. Nothing goes through the training's process group, nor waits for the device.

    Args:
        place: Where this rank is.
        asked: Whether this rank is asked to leave, and by what.
        patience: Seconds that the threads of the other ranks have to answer; a rank that does not is taken for dead.
    """

    def __init__(self, place: Place, asked: Callable[[], str | None], patience: float = 20.0) -> None:
        self.reason = ""
        self._passed = place
        self._asked = asked
        self._patience = patience
        self._limit: Place | None = None
        self._is_held = False
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._closed = threading.Event()
        self._rank, self._world_size = get_rank(), get_world_size()
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._prefix = f"runner/fence/{attempt}/{next(_fences)}"
        self._store = own_connection()
        self._thread = threading.Thread(target=self._look, name="runner-fence", daemon=True)
        self._thread.start()

    def must_leave(self, place: Place, *, passes: bool = True) -> bool:
        """Whether to leave at this place.

        Args:
            place: Where this rank is.
            passes: Whether the place is behind this rank if it need not leave.

        Raises:
            LaunchError: The other ranks do not answer.
        """
        with self._lock:
            if not self._is_held:
                if passes:
                    self._passed = place
                return False
        if not self._answered.wait(2 * self._patience):
            raise LaunchError(
                f"rank {self._rank} was asked to leave ({self.reason}), and not every other rank answered within "
                f"{2 * self._patience:g} s: has one died, or does it hang?"
            )
        assert self._limit is not None
        return place > self._limit

    def pass_all(self) -> None:
        """This rank has passed all places; it goes on answering the others."""
        with self._lock:
            if not self._is_held:
                self._passed = OVER

    def close(self) -> None:
        """Answer no more."""
        self._closed.set()

    def _look(self) -> None:
        key = f"{self._prefix}/asked"
        try:
            while not self._store.check([key]):
                reason = self._asked()
                if reason is not None:
                    self._store.set(key, f"{reason} on rank {self._rank}")
                elif self._closed.wait(INTERVAL):
                    return
            self.reason = self._store.get(key).decode()
            with self._lock:
                self._is_held, passed = True, self._passed
            self._store.set(f"{self._prefix}/{self._rank}", json.dumps(passed))
            keys = [f"{self._prefix}/{rank}" for rank in range(self._world_size)]
            deadline = time.monotonic() + self._patience
            while not self._store.check(keys):
                if time.monotonic() > deadline:
                    self._give_up([rank for rank, each in enumerate(keys) if not self._store.check([each])])
                time.sleep(0.02)
            self._limit = max(Place(*json.loads(self._store.get(each))) for each in keys)
            self._answered.set()
        except RuntimeError:
            # The store went away with rank 0: the run is over, or fails for its own reasons.
            return

    def _give_up(self, silent: list[int]) -> None:
        """End the process: its main thread may wait for ever in an operation that a dead rank has no part in."""
        ranks = f"rank{'s' if len(silent) > 1 else ''} {', '.join(map(str, silent))}"
        sys.stderr.write(
            f"error: rank {self._rank} is to leave ({self.reason}), and {ranks} did not answer within "
            f"{self._patience:g} s: dead, or stopped. It ends without a checkpoint\n"
        )
        sys.stderr.flush()
        os._exit(FAILED)


def own_connection() -> Any:
    """A connection to the group's store that no other thread waits on."""
    store: Any = distributed_c10d._get_default_store()  # noqa: SLF001 - torch has no public name for it
    inner = store
    while isinstance(inner, PrefixStore):
        inner = inner.underlying_store
    made_by: Any = torch_dist  # whose stubs do not export its stores
    if isinstance(inner, made_by.TCPStore):
        return made_by.TCPStore(
            inner.host, inner.port, is_master=False, wait_for_workers=False, timeout=dt.timedelta(seconds=60)
        )
    return store
