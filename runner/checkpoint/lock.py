"""One training at a time in a work directory."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from runner import dist
from runner.errors import WorkDirInUse

if sys.platform != "win32":
    import fcntl

__all__ = ["LOCK_NAME", "exclusive"]

LOCK_NAME: Final = ".lock"
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class _Lock:
    """A lock on an open file: the system takes it back when the process is gone, however that came about.

    The file stays; what stands in it says who holds the lock, or who did last.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self.descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        _OPEN.add(self)

    def take(self) -> None:
        """Take it.

        Raises:
            WorkDirInUse: Another holds it.
            OSError: This file system has no locks.
        """
        assert self.descriptor is not None
        if sys.platform != "win32":
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WorkDirInUse(_held(self.path)) from None
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(holder).encode(), 0)

    def close(self) -> None:
        """Let it go."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_OPEN: weakref.WeakSet[_Lock] = weakref.WeakSet()


def _close_in_child() -> None:
    # A worker of a data loader that outlives the run would hold its lock.
    for lock in list(_OPEN):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def exclusive(folder: str | os.PathLike[str], warn: Any) -> Iterator[None]:
    """Hold a work directory. Every rank calls this; rank 0 takes the lock for all.

    Args:
        folder: The work directory.
        warn: Is told where the file system can't lock.

    Raises:
        WorkDirInUse: Another run holds it, or nothing may be written there; on every rank.
    """
    lock, outcome = None, [None]
    failure: WorkDirInUse | None = None
    if dist.is_main_process():
        try:
            lock = _take(Path(folder), warn)
        except WorkDirInUse as error:
            failure, outcome = error, [str(error)]  # type: ignore[list-item]  # the message or nothing
    dist.broadcast_object_list(outcome)
    if outcome[0] is not None:
        raise failure or WorkDirInUse(outcome[0])
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def _take(folder: Path, warn: Any) -> _Lock | None:
    try:
        lock = _Lock(folder)
    except OSError as error:
        raise WorkDirInUse(
            f"{folder} can't be used as a work directory: {error.strerror}. Give this user the right to write there, or set "
            "another work_dir"
        ) from error
    try:
        lock.take()
    except OSError as error:
        lock.close()
        if error.errno not in _UNSUPPORTED:
            raise
        warn(f"{folder} is on a file system without locks ({error.strerror}): see to it that no other run uses it")
        return None
    except WorkDirInUse:
        lock.close()
        raise
    return lock


def _held(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = f"another process ({path.name} does not say which)"
    return (
        f"{path.parent} is in use by {who}. Two runs in one work directory would delete each other's checkpoints: wait for "
        "it, end it, or set another work_dir"
    )
