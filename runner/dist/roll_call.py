"""Who has come to a place that all ranks have to come to."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from torch.distributed import distributed_c10d

from runner.dist.group import get_rank, get_world_size
from runner.errors import CheckpointError

__all__ = ["roll_call"]

PATIENCE = 10.0
"""Seconds until the log says whom is waited for."""
LIMIT = 300.0
"""Seconds until rank 0 gives up."""
LIMIT_FOR_RANK_0 = 1800.0
"""Seconds until the others do, since rank 0 has work of its own: it draws, uploads, writes."""

_calls = itertools.count()


def roll_call(name: str, warn: Callable[[str], None]) -> None:
    """Wait until every rank has called this.

    Collectives can't tell a rank that is late from one that never comes, as where rank 0 alone calls a function that
    gathers: the others' next collective would be taken for their part in it. So they meet at the group's key-value
    store first.

    Args:
        name: Of the function that every rank has to call, for messages.
        warn: Is given a sentence when it takes long.

    Raises:
        CheckpointError: A rank did not come.
    """
    rank, world_size = get_rank(), get_world_size()
    if world_size == 1:
        return
    store: Any = distributed_c10d._get_default_store()  # noqa: SLF001 - torch has no public name for it
    number = next(_calls)
    keys = [f"runner/{name}/{number}/{each}" for each in range(world_size)]
    store.set(keys[rank], "here")
    if not _come(store, keys, PATIENCE):
        limit = LIMIT_FOR_RANK_0 if rank else LIMIT
        absent = _absent(store, keys)
        warn(
            f"rank {rank} waits for {absent} to call {name}() too; where only some ranks call it, as under "
            f"'if runner.rank == 0:', it gives up after {limit:g} s"
        )
        if not _come(store, keys, limit - PATIENCE):
            raise CheckpointError(
                f"rank {rank} called {name}(), and {_absent(store, keys)} did not within {limit:g} s: every rank has to "
                f"call it, since each has state of its own; take it out of 'if runner.rank == 0:'"
            )
    if number > 1:
        # Whoever is here was there, so nobody looks at the call before the last any more.
        store.delete_key(f"runner/{name}/{number - 2}/{rank}")


def _come(store: Any, keys: list[str], seconds: float) -> bool:
    try:
        store.wait(keys, dt.timedelta(seconds=seconds))
    except RuntimeError:
        # Which error a time limit is depends on the store; one that has failed does so again here.
        return bool(store.check(keys))
    return True


def _absent(store: Any, keys: list[str]) -> str:
    absent = [str(rank) for rank, key in enumerate(keys) if not store.check([key])]
    return f"rank{'s' if len(absent) > 1 else ''} {', '.join(absent)}"
