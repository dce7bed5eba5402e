"""What checkpoints a folder holds, as rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.checkpoint.best import metric_of
from runner.checkpoint.store import NON_FINITE, find_latest_checkpoint
from runner.errors import CheckpointError

if TYPE_CHECKING:
    from runner.checkpoint.index import Record
    from runner.checkpoint.place import Place
    from runner.checkpoint.store import CheckpointStore

__all__ = ["list_checkpoints"]


def list_checkpoints(store: CheckpointStore, *, verify: bool) -> list[dict[str, Any]]:
    """Return a row for each checkpoint of a folder, the newest first.

    Args:
        store: The folder.
        verify: Whether every byte is read, and compared with what was written. Otherwise only sizes are.

    Returns:
        `file`, `step`, `time`, `size` in bytes, `metrics`, `best` (the metric that it is the best of), `last`
        (whether `last_checkpoint` names it), `resumable`, `config` (the digest of the run's config), `state` (`whole`,
        `damaged`, or `unverified` where nothing was compared) and `problem`, what is wrong with it. What only a
        checkpoint's inside tells is read where the index does not know it.
    """
    last = find_latest_checkpoint(store.folder) if isinstance(store.folder, Path) else None
    damaged: list[tuple[Place, str]] = []
    rows = [_row(store, path, record, last, verify=verify) for path, record in store.entries(damaged)]
    return rows + [_damaged(path, problem) for path, problem in damaged]


def _row(
    store: CheckpointStore, path: Place, record: Record | None, last: str | None, *, verify: bool
) -> dict[str, Any]:
    state, problem = _state(store, path, record, verify=verify)
    return {
        "file": path.name,
        "step": record.step if record is not None else store.step_of(path, None),
        "time": record.time if record is not None else None,
        "size": record.size if record is not None else store.size(path),
        "metrics": record.metrics if record is not None else None,
        "best": metric_of(path, record),
        "last": last is not None and last.endswith(path.name) and not path.name.startswith(NON_FINITE),
        "resumable": record.resumable if record is not None else None,
        "config": record.config if record is not None else None,
        "state": state,
        "problem": problem,
    }


def _state(store: CheckpointStore, path: Place, record: Record | None, *, verify: bool) -> tuple[str, str | None]:
    try:
        if verify:
            store.verify(path)
        elif record is not None and (size := store.size(path)) != record.size:
            return "damaged", f"it has {size} bytes, {record.size} were written"
    except CheckpointError as error:
        return "damaged", str(error)
    return ("whole" if verify else "unverified"), None


def _damaged(path: Place, problem: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("step", "time", "size", "metrics", "best", "resumable", "config"))
    return {"file": path.name, **nothing, "last": False, "state": "damaged", "problem": problem}
