"""Writes a run's checkpoints, one after the other; in the background where a save asks for that."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import distributed as torch_dist
from torch.distributed import ProcessGroup

from runner import dist
from runner.checkpoint.host_copies import HostCopies
from runner.checkpoint.place import Place
from runner.checkpoint.store import advice, reason
from runner.errors import SaveError, StorageError

__all__ = ["DEFAULT", "SaveOptions", "Saver", "agree", "conclude"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOptions:
    """How a checkpoint is saved.

    Attributes:
        background: Whether it is copied to host memory and written from there while training goes on.
        metrics: What was measured with these weights, for the index.
        best: The metric that this is the best checkpoint of.
        allow_non_finite: Whether weights that are not finite are written; nothing goes on from such a checkpoint.
        then: Called on rank 0, by whoever wrote it, when it is whole and on the disk.
    """

    background: bool = False
    metrics: dict[str, float] | None = None
    best: str | None = None
    allow_non_finite: bool = False
    then: Callable[[Place], None] | None = None


DEFAULT: Final = SaveOptions()


class Saver:
    """Runs writes in their order: at once, or in a thread that ends when nothing is left to write.

    Interpreters wait for the thread before they end. What goes wrong in it is raised by `settle`.

    Attributes:
        copies: Where a checkpoint that is written in the background is copied to.
    """

    def __init__(self) -> None:
        self.copies = HostCopies()
        self._tasks: deque[Callable[[], object]] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._failures: list[Exception] = []
        self._has_begun = False
        self._group: ProcessGroup | None = None

    def own_group(self) -> ProcessGroup | None:
        """A group for what ranks say to each other while they write. Every rank calls this.

        On the group of the training, messages of two threads would mix.
        """
        if self._group is None and dist.is_distributed():
            self._group = torch_dist.new_group(backend="gloo")
        return self._group

    def run(self, task: Callable[[], object], *, background: bool = False) -> None:
        """Run a task on this rank when those before it are done.

        Args:
            task: What to do.
            background: Whether to return at once. Otherwise its errors are raised here.
        """
        if background:
            with self._lock:
                self._tasks.append(task)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="checkpoint writer")
                    self._thread.start()
        else:
            self.wait()
            task()

    def follow(self, task: Callable[[], object]) -> None:
        """Run a task in the background if something is being written, which it comes after; else at once."""
        self.run(task, background=self._thread is not None)

    def begin_copies(self) -> HostCopies:
        """Where the next checkpoint is copied to; nothing is being written any more."""
        self.wait()
        self.copies.begin()
        return self.copies

    def note_background(self) -> None:
        """Remember on every rank that something is written in the background, so that all of them ask for its outcome."""
        self._has_begun = True

    def wait(self) -> None:
        """Wait on this rank until everything is written; failures are kept for `settle`."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def settle(self) -> None:
        """Wait until everything is written. Every rank calls this, and raises what went wrong on rank 0.

        Raises:
            SaveError: A checkpoint could not be written.
        """
        if not self._has_begun:
            return
        self._has_begun = False
        self.wait()
        failures, self._failures = self._failures, []
        agree(failures[0] if failures else None)

    def close(self) -> list[Exception]:
        """Wait until everything is written, and give the memory of the copies back; what went wrong and nobody asked for."""
        self.wait()
        self.copies.release()
        self._group = None
        failures, self._failures = self._failures, []
        return failures

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._tasks:
                    self._thread = None
                    return
                task = self._tasks.popleft()
            try:
                task()
            except Exception as error:  # noqa: BLE001 - raised where the run asks for the outcome
                self._failures.append(error)


def conclude(
    saver: Saver,
    options: SaveOptions,
    write: Callable[[], Place] | None,
    share: Callable[[], object] | None = None,
) -> None:
    """Write a checkpoint on rank 0, at once or in the background. Every rank calls this.

    Args:
        saver: The run's.
        options: How.
        write: Writes it and returns the file; on ranks other than 0 it is not called.
        share: Writes what this rank alone has, before that; on every rank. It keeps its errors for `write`.

    Raises:
        SaveError: It could not be written; on every rank. In the background `Saver.settle` raises it.
    """
    if options.background:
        saver.note_background()
        saver.copies.wait()
        if share is not None:
            saver.run(share, background=True)
        if dist.is_main_process() and write is not None:
            saver.run(lambda: _write(write, options), background=True)
        return
    if share is not None:
        share()
    failure: SaveError | None = None
    if dist.is_main_process() and write is not None:
        try:
            _write(write, options)
        except SaveError as error:
            failure = error
    agree(failure)


def _write(write: Callable[[], Place], options: SaveOptions) -> None:
    path = write()
    if options.then is None:
        return
    try:
        options.then(path)
    except (OSError, StorageError) as error:
        where = f"{error.filename or path.parent}: " if isinstance(error, OSError) else ""
        raise SaveError(
            f"{path} was written, but not what goes with it: {where}{reason(error)}. {advice(error)}".rstrip()
        ) from error


def agree(failure: Exception | None) -> None:
    """Let every rank raise what went wrong on rank 0. All ranks call this; it is a barrier too.

    Raises:
        SaveError: Something did.
    """
    outcome = [str(failure) if failure is not None else None]
    dist.broadcast_object_list(outcome)
    dist.barrier()
    if failure is not None:
        raise failure
    if outcome[0] is not None:
        raise SaveError(outcome[0])
