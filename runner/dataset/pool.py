"""Who reads the batches of a pass: the main process, or workers of torch's loader, kept between passes where wanted."""

from __future__ import annotations

import atexit
import inspect
import signal
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from multiprocessing.process import BaseProcess
from typing import Any, Final

import torch
from torch.autograd import profiler
from torch.utils.data import DataLoader

from runner.dataset.fetch import Arrival, KeyedDataset, KeyedIterable
from runner.dataset.order import Fetch, Pass
from runner.dataset.worker import Shielded

__all__ = ["Pool"]

_DYING: Final = 1.0
"""Seconds in which a process that was killed is gone."""

_workers: Final[weakref.WeakSet[BaseProcess]] = weakref.WeakSet()


class Pool:
    """The readers of one loader.

    Args:
        options: What torch's loader is to be made with: `num_workers`, `pin_memory`, `persistent_workers`, ….
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._persists = options["num_workers"] > 0 and options["persistent_workers"]
        # torch warns at each iteration where there is nothing to pin memory for.
        pins = options["pin_memory"] and torch.accelerator.is_available()
        options["pin_memory"] = pins
        self._is_bare = options["num_workers"] == 0 and not pins
        if options["num_workers"] > 0:
            options["worker_init_fn"] = Shielded(options["worker_init_fn"])
        self._passes = _Passes()
        self._inner: DataLoader[Any] | None = None
        self._reader: weakref.ref[Generator[Any, None, None]] | None = None
        self._next_epoch = -1

    def batches(self, dataset: KeyedDataset, batches: Pass) -> Iterator[Any]:
        """Read the batches of a pass, in order."""
        if self._is_bare:
            # Without torch's iterator, which takes 5 us a batch.
            return map(dataset.__getitem__, batches)
        if not (self._persists and self._inner is not None and self._is_free()):
            self._passes = _Passes()
            self._inner = self._loader(dataset, sampler=self._passes)
        self._passes.current = batches
        return _iterate(self._inner)

    def arrivals(self, dataset: KeyedIterable, epoch: int, *, from_start: bool) -> Iterator[Arrival]:
        """Read a pass of an iterable data set."""
        if self._is_bare:
            return iter(dataset)
        # Workers that live on count the epochs by themselves, so they serve the next one alone.
        follows = from_start and epoch == self._next_epoch
        if not (self._persists and self._inner is not None and follows and self._is_free()):
            self._inner = self._loader(dataset)
        self._next_epoch = epoch + 1
        return _iterate(self._inner)

    def serve(self, reader: Generator[Any, None, None]) -> None:
        """Remember who the workers read for."""
        self._reader = weakref.ref(reader)

    def close(self) -> None:
        """Let the workers go."""
        self._inner = None

    def _is_free(self) -> bool:
        """Whether nobody else is in the middle of a pass: torch would give one pass's batches to the other."""
        reader = None if self._reader is None else self._reader()
        return reader is None or inspect.getgeneratorstate(reader) == inspect.GEN_CLOSED

    def _loader(self, dataset: Any, **kwargs: Any) -> DataLoader[Any]:
        return DataLoader(dataset, batch_size=None, collate_fn=_as_it_is, **self._options, **kwargs)


def _iterate(loader: DataLoader[Any]) -> Iterator[Any]:
    """A pass, whose workers are killed where torch, having waited for them, would terminate them: they don't hear that."""
    iterator: Any = iter(loader)
    workers = getattr(iterator, "_workers", ())
    for worker in workers:
        worker.terminate = worker.kill
        _workers.add(worker)
    if workers:
        iterator._try_get_data = _telling(iterator)  # noqa: SLF001 - all else raises what it has said already
    return _unobserved(iterator)


def _unobserved(iterator: Any) -> Iterator[Any]:
    """What torch's iterator gives, without its record of each batch where torch.profiler isn't at work.

    Between two steps, whose data drives it out of the processor's caches, the record takes 30 us.
    """
    while True:
        try:
            # torch has no public name for either.
            batch = next(iterator) if profiler._is_profiler_enabled else iterator._next_data()  # noqa: SLF001
        except StopIteration:
            return
        yield batch


def _telling(iterator: Any) -> Callable[..., Any]:
    """What asks for a batch, which says in torch's words of a killed worker what is elsewhere said of its connection only.

    A batch may be on its way when its worker is killed, whose process is then still dying: torch finds it alive.
    """
    # Nothing here may hold the iterator: its workers end when it is let go.
    get, owner, workers = type(iterator)._try_get_data, weakref.ref(iterator), iterator._workers  # noqa: SLF001 - as above

    def get_data(*args: Any, **kwargs: Any) -> Any:
        try:
            return get(owner(), *args, **kwargs)
        except Exception as error:
            deadline = time.monotonic() + (_DYING if isinstance(error, (OSError, EOFError)) else 0)
            while True:
                for worker in workers:
                    if worker.exitcode == -signal.SIGKILL:
                        said = f"DataLoader worker (pid {worker.pid}) is killed by signal: Killed. "
                        raise RuntimeError(said) from error
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.01)

    return get_data


@atexit.register
def _end_workers() -> None:
    """End workers that are left when the process exits, since multiprocessing terminates them and waits."""
    left = [worker for worker in _workers if worker.is_alive()]
    if left and hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        # torch's handler would raise an error of their end, wherever the exit has come to by then.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in left:
        worker.kill()


class _Passes:
    """The inner loader's sampler: whichever pass is on."""

    current: Pass

    def __iter__(self) -> Iterator[Fetch]:
        return iter(self.current)


def _as_it_is(batch: Any) -> Any:
    return batch
