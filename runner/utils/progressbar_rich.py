"""A bar drawn by rich."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

__all__ = ["track_progress_rich"]


def track_progress_rich(
    func: Callable[..., Any],
    tasks: Iterable[Any] = (),
    task_num: int | None = None,
    nproc: int = 1,
    chunksize: int = 1,
    description: str = "Processing",
    color: str = "blue",
) -> list[Any]:
    """Call a function with each task, in one or several processes, under a bar drawn by rich.

    Args:
        func: Is called with a task; a tuple or list is taken apart into arguments.
        tasks: The tasks; none for `task_num` calls without arguments.
        task_num: How many there are, where that can't be asked of them.
        nproc: How many processes.
        chunksize: How many tasks a process is given at once.
        description: What stands before the bar.
        color: The bar's colour.

    Returns:
        What it returned, in the tasks' order.

    Raises:
        ValueError: There are no tasks and no number, a number that is not the tasks', or less than one process.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    each, number = _checked(func, tasks, task_num)
    if nproc < 1:
        raise ValueError(f"track_progress_rich: nproc is {nproc}; it must be 1 or more")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(complete_style=color),
        TimeRemainingColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
    )
    with bar:
        shown = bar.add_task(description, total=number)
        results = []
        for result in _results(_Call(func), each, nproc, chunksize):
            results.append(result)
            bar.update(shown, advance=1, refresh=nproc == 1)
    return results


class _Call:
    """Takes a task apart; of a module, so that it can be sent to other processes."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, task: Any) -> Any:
        return self.func(*task) if isinstance(task, (tuple, list)) else self.func(task)


def _checked(func: Any, tasks: Any, task_num: int | None) -> tuple[Iterable[Any], int | None]:
    if not callable(func):
        raise TypeError(f"track_progress_rich: func is a {type(func).__name__}; it must be callable")
    if not isinstance(tasks, Iterable):
        raise TypeError(f"track_progress_rich: tasks are a {type(tasks).__name__}; they must be iterable")
    if not isinstance(tasks, Sized):
        return tasks, task_num
    if len(tasks) == 0:
        if task_num is None:
            raise ValueError("track_progress_rich: there are no tasks; give task_num to call without arguments")
        return [()] * task_num, task_num
    if task_num not in {None, len(tasks)}:
        raise ValueError(f"track_progress_rich: task_num is {task_num}, and there are {len(tasks)} tasks")
    return tasks, len(tasks)


def _results(call: _Call, tasks: Iterable[Any], nproc: int, chunksize: int) -> Iterator[Any]:
    if nproc == 1:
        yield from map(call, tasks)
        return
    with multiprocessing.Pool(nproc) as pool:
        yield from pool.imap(call, tasks, chunksize)
