"""Finds the best checkpoint of a folder, and the one that a run can go on from at the same step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.errors import CheckpointError

if TYPE_CHECKING:
    from runner.checkpoint.index import Record
    from runner.checkpoint.place import Place
    from runner.checkpoint.store import CheckpointStore

__all__ = ["best_of", "best_to_resume", "is_best", "metric_of"]

_NAMED = re.compile(r"best_(.+?)_(?:epoch|iter)_\d+\.")


def is_best(wanted: str) -> bool:
    """Whether a field asks for the best checkpoint: `best`, or `best:METRIC`."""
    return wanted == "best" or wanted.startswith("best:")


def metric_of(path: Place, record: Record | None) -> str | None:
    """The metric that a checkpoint is the best of; None where it is a best one of none.

    Without the index only the file's name tells, which has `_` in place of `/`.
    """
    if record is not None and record.best is not None:
        return record.best
    named = _NAMED.match(path.name)
    return named[1] if named else None


def best_of(store: CheckpointStore, wanted: str) -> tuple[Place, int]:
    """Return the best checkpoint, and its step.

    Args:
        store: Where it lies.
        wanted: `best`, or `best:METRIC` where there are several.

    Raises:
        CheckpointError: There is none, or several metrics have one; the error lists them.
    """
    _, _, metric = wanted.partition(":")
    # The newest first: an older one of the same metric is what a kill kept from being deleted.
    found: dict[str, tuple[Place, int]] = {}
    for path, record in store.entries():
        its = metric_of(path, record)
        if its is not None:
            found.setdefault(its, (path, store.step_of(path, record)))
    names = ", ".join(f"best:{name}" for name in found)
    if not found:
        raise CheckpointError(
            f"{store.folder} has no best checkpoint; CheckpointHook's save_best says by which metric one is kept"
        )
    if not metric and len(found) > 1:
        raise CheckpointError(f"{store.folder} has the best checkpoints of several metrics; say which: {names}")
    chosen = metric or next(iter(found))
    for name in (chosen, chosen.replace("/", "_")):
        if name in found:
            return found[name]
    raise CheckpointError(f"{store.folder} has no checkpoint {wanted}; there is {names}")


def best_to_resume(store: CheckpointStore, wanted: str) -> Place:
    """Return the periodic checkpoint that was saved at the step of the best one.

    Raises:
        CheckpointError: There is none.
    """
    path, step = best_of(store, wanted)
    try:
        return store.at_step(step)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path.name} holds weights without the optimizer's state, so a run can't go on from it, and {error}. Begin a new "
            f"run with --load-from {wanted}, or keep more periodic checkpoints (CheckpointHook's max_keep_ckpts)"
        ) from error
