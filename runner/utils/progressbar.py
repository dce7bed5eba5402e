"""A bar that shows how far a long task is."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from shutil import get_terminal_size
from typing import Any, TextIO, TypeAlias, TypeVar

from runner.utils.timer import Timer

__all__ = ["ProgressBar", "track_iter_progress", "track_parallel_progress", "track_progress"]

_T = TypeVar("_T")
Tasks: TypeAlias = "Sequence[_T] | tuple[Iterable[_T], int]"


class ProgressBar:
    """A bar, with the tasks a second and the time that is left.

    Args:
        task_num: How many tasks there are; 0 where that is not known.
        bar_width: The bar's width in characters, at most.
        start: Show it now.
        file: Where to write; the standard output when None.
    """

    def __init__(self, task_num: int = 0, bar_width: int = 50, start: bool = True, file: TextIO | None = None) -> None:
        self.task_num = task_num
        self.bar_width = bar_width
        self.completed = 0
        self.file = file if file is not None else sys.stdout
        self.timer = Timer(start=False)
        if start:
            self.start()

    @property
    def terminal_width(self) -> int:
        """The terminal's width in characters."""
        return get_terminal_size().columns

    def start(self) -> None:
        """Show the bar, and measure time from now on."""
        if self.task_num > 0:
            self._write(f"[{' ' * self.bar_width}] 0/{self.task_num}, elapsed: 0s, ETA:")
        else:
            self._write("completed: 0, elapsed: 0s")
        self.timer = Timer()

    def update(self, num_tasks: int = 1) -> None:
        """Show that more tasks are done.

        Args:
            num_tasks: How many more, from 1.
        """
        if num_tasks < 1:
            raise ValueError(f"ProgressBar.update: num_tasks is {num_tasks}; it must be 1 or more")
        self.completed += num_tasks
        elapsed = self.timer.since_start()
        rate = self.completed / elapsed if elapsed > 0 else float("inf")
        if self.task_num <= 0:
            self._write(f"\rcompleted: {self.completed}, elapsed: {int(elapsed + 0.5)}s, {rate:.1f} tasks/s")
            return
        share = self.completed / self.task_num
        left = int(elapsed * (1 - share) / share + 0.5)
        text = f"] {self.completed}/{self.task_num}, {rate:.1f} task/s, elapsed: {int(elapsed + 0.5)}s, ETA: {left:5}s"
        width = max(2, min(self.bar_width, self.terminal_width - len(text) - 1, int(self.terminal_width * 0.6)))
        self._write(f"\r[{('>' * int(width * share)).ljust(width)}{text}")

    def _write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()


def _counted(tasks: Any) -> tuple[Iterable[Any], int]:
    """Tasks and how many there are, which a pair may say of what has no length."""
    if isinstance(tasks, tuple):
        if len(tasks) != 2 or not isinstance(tasks[0], Iterable) or not isinstance(tasks[1], int):
            raise TypeError(
                "a tuple of tasks is (tasks, their number); give a list where the tasks themselves are meant"
            )
        return tasks[0], tasks[1]
    if isinstance(tasks, Sequence):
        return tasks, len(tasks)
    raise TypeError(f"tasks are a {type(tasks).__name__}; give a sequence, or (tasks, their number)")


def track_iter_progress(tasks: Tasks[_T], bar_width: int = 50, file: TextIO | None = None) -> Iterator[_T]:
    """Go through tasks, and show how far it is.

    Args:
        tasks: A sequence, or (tasks, their number).
        bar_width: The bar's width in characters, at most.
        file: Where to write; the standard output when None.
    """
    each, number = _counted(tasks)
    bar = ProgressBar(number, bar_width, file=file)
    for task in each:
        yield task
        bar.update()
    bar.file.write("\n")


def track_progress(
    func: Callable[..., Any], tasks: Tasks[Any], bar_width: int = 50, file: TextIO | None = None, **kwargs: Any
) -> list[Any]:
    """Call a function with each task, and show how far it is.

    Args:
        func: Is called with a task and `kwargs`.
        tasks: A sequence, or (tasks, their number).
        bar_width: The bar's width in characters, at most.
        file: Where to write; the standard output when None.
        **kwargs: For the function.

    Returns:
        What it returned, in the tasks' order.
    """
    return [func(task, **kwargs) for task in track_iter_progress(tasks, bar_width, file)]


def track_parallel_progress(
    func: Callable[[Any], Any],
    tasks: Tasks[Any],
    nproc: int,
    initializer: Callable[..., Any] | None = None,
    initargs: tuple[Any, ...] | None = None,
    bar_width: int = 50,
    chunksize: int = 1,
    skip_first: bool = False,
    keep_order: bool = True,
    file: TextIO | None = None,
) -> list[Any]:
    """Call a function with each task, in several processes, and show how far it is.

    Args:
        func: Is called with a task; the processes must be able to import it.
        tasks: A sequence, or (tasks, their number).
        nproc: How many processes.
        initializer: Is called in each process first.
        initargs: Its arguments.
        bar_width: The bar's width in characters, at most.
        chunksize: How many tasks a process is given at once.
        skip_first: Leave each process's first tasks, which take longer, out of the time.
        keep_order: Give the results in the tasks' order; otherwise as they come.
        file: Where to write; the standard output when None.
    """
    if initargs is not None and not isinstance(initargs, tuple):
        raise TypeError(f"track_parallel_progress: initargs is a {type(initargs).__name__}; it must be a tuple")
    each, number = _counted(tasks)
    skipped = nproc * chunksize if skip_first else 0
    bar = ProgressBar(number - skipped, bar_width, not skip_first, file=file)
    results = []
    with multiprocessing.Pool(nproc, initializer, initargs or ()) as pool:
        run = pool.imap if keep_order else pool.imap_unordered
        for result in run(func, each, chunksize):
            results.append(result)
            if len(results) > skipped:
                bar.update()
            elif len(results) == skipped:
                bar.start()
    bar.file.write("\n")
    return results
