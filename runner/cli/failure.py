"""What a person sees when a command fails, and what it exits with."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import typer

from runner.errors import BuildError, ConfigError, RunnerError

__all__ = [
    "CONFIG",
    "FINE",
    "RUN",
    "STOPPED",
    "USAGE",
    "killed_worker",
    "lost_connection",
    "report",
    "users_traceback",
    "waited_in_vain",
]

FINE, CONFIG, USAGE, RUN, STOPPED = 0, 1, 2, 3, 75

_HIDDEN = (
    *(
        str(Path(file).resolve().parent) + os.sep
        for file in (Path(__file__).parent, typer.__file__, importlib.__file__)
    ),
    "<frozen importlib",
)
"""Where frames say nothing to a user: ours, the command-line parser's, and the import system's."""

_WORKER = "\nOriginal Traceback (most recent call last):\n"
"""What torch writes into an error's message between its own words and the traceback of the process that it came from."""


_KILLED_WORKER = re.compile(r"DataLoader worker \(pid (\d+)\) is killed by signal: Killed")
"""What torch says of a worker that was killed; it then says "exited unexpectedly" on top."""

_GONE = ("Connection closed by peer", "Connection reset by peer [", "Broken pipe [")
"""What gloo says when the process at the other end is gone."""

_LATE = ("Timed out waiting", "Application timeout caused pair closure", "Wait timeout")
"""What gloo says when the process at the other end does not answer."""


def report(error: Exception) -> int:
    """Print an error, and return the exit code for it.

    An error of ours is a message. One that a user's code raised is shown with the user's traceback: our own frames, and
    the wrapping that says where in the config it happened, stand around it in a line.
    """
    if isinstance(error, ConfigError):
        from runner.validation import render_text

        typer.echo(render_text(error.problems, error.sources, color=sys.stderr.isatty()), err=True, nl=False)
        return CONFIG
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # a usage error of the parser
        error.show()  # type: ignore[attr-defined]
        if "unexpected extra argument" in str(error) and "=" in str(error):
            typer.echo("An override is written `-o KEY=VALUE`.", err=True)
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return USAGE
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if (told := _told_by_the_system(error)) is not None:
        typer.echo(f"error: {_of_rank()}{told}", err=True)
        return RUN
    typer.echo(users_traceback(error), err=True, nl=False)
    if isinstance(error, RunnerError):
        typer.echo(f"error: {_of_rank()}{error}", err=True)
    elif _of_rank():
        typer.echo(f"error: {_of_rank()}{type(error).__name__}, which ends all ranks; its traceback is above", err=True)
    return RUN


def users_traceback(error: BaseException) -> str:
    """The traceback of what a user's code raised, without our own frames; nothing where it raised nothing."""
    cause = error.__cause__ if isinstance(error, BuildError) else error
    return "".join(_user_lines(cause)) if cause is not None and not isinstance(cause, RunnerError) else ""


def _of_rank() -> str:
    """Who speaks, where several processes do."""
    return f"rank {os.environ.get('RANK', '0')}: " if int(os.environ.get("WORLD_SIZE", "1")) > 1 else ""


def _told_by_the_system(error: BaseException) -> str | None:
    """What to say of an error that is not this process's own: a worker that was killed, a rank that is gone."""
    link: BaseException | None = error
    while link is not None:
        killed = _KILLED_WORKER.search(str(link))
        if killed is not None:
            return (
                f"a worker of the data loader (process {killed[1]}) was killed with SIGKILL, as the kernel does when memory "
                "runs out (`dmesg` or the container's events tell); give fewer num_workers, a smaller prefetch_factor or "
                "batch_size, or more memory, also in /dev/shm. --resume goes on from the newest checkpoint"
            )
        if _is_one_of(link, _GONE):
            return f"lost its connection to another rank, which has ended or hangs ({str(link).splitlines()[0][:200]})"
        link = _before(link)
    return None


def _before(error: BaseException) -> BaseException | None:
    """What an error came of."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def killed_worker(error: BaseException) -> str | None:
    """What to say in short of a worker of a data loader that was killed; None of any other error."""
    link: BaseException | None = error
    while link is not None:
        killed = _KILLED_WORKER.search(str(link))
        if killed is not None:
            return f"a worker of its data loader, process {killed[1]}, was killed with SIGKILL"
        link = _before(link)
    return None


def lost_connection(error: BaseException) -> bool:
    """Whether an error says no more than that another rank is gone."""
    return _says(error, _GONE)


def waited_in_vain(error: BaseException) -> bool:
    """Whether an error is a collective operation's that other ranks did not come to in time."""
    return _says(error, _LATE)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    link: BaseException | None = error
    while link is not None:
        if _is_one_of(link, words):
            return True
        link = _before(link)
    return False


def _is_one_of(error: BaseException, words: tuple[str, ...]) -> bool:
    """Whether torch says one of these; what a user's data base or server says of itself is an OSError, or its own."""
    return isinstance(error, RuntimeError) and any(each in str(error) for each in words)


def _user_lines(error: BaseException) -> Iterator[str]:
    """The traceback without our own frames and those that started us; whole where nothing else is left of it."""
    words, _, inner = str(error).partition(_WORKER)
    if inner:
        yield f"{words}\nTraceback (most recent call last):\n"
        yield from _without_hidden(inner)
        return
    shown = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = shown
    while link is not None:
        hidden = [number for number, frame in enumerate(link.stack) if frame.filename.startswith(_HIDDEN)]
        inside = link.stack[hidden[0] :] if hidden else link.stack
        kept = [frame for frame in inside if not frame.filename.startswith(_HIDDEN)]
        first = next((number for number, frame in enumerate(kept) if not frame.filename.startswith(_torch())), 0)
        if kept:
            link.stack = traceback.StackSummary.from_list(kept[first:])
        link = link.__cause__ or link.__context__
    yield from shown.format()


def _without_hidden(written: str) -> Iterator[str]:
    """A traceback's lines from another process, where torch and we called what the user wrote."""
    skipping = inside = False
    for line in written.splitlines(keepends=True):
        if line.startswith('  File "'):
            file = line.removeprefix('  File "')
            skipping = file.startswith(_HIDDEN) or (file.startswith(_torch()) and not inside)
            inside = inside or not skipping
        elif not line.startswith("  "):
            skipping = inside = False
        if not skipping:
            yield line
    if not written.endswith("\n"):
        yield "\n"


def _torch() -> tuple[str, ...]:
    """Where torch's frames are: before the first of the user's they only say how it came to be called."""
    file = getattr(sys.modules.get("torch"), "__file__", None)
    return (str(Path(file).parent) + os.sep,) if file else ()
