"""What a person sees when a command fails, and what it exits with."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import typer

from runner.errors import BuildError, ConfigError, RunnerError

__all__ = ["CONFIG", "FINE", "RUN", "STOPPED", "USAGE", "report"]

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
    cause = error.__cause__ if isinstance(error, BuildError) else error
    if cause is not None and not isinstance(cause, RunnerError):
        typer.echo("".join(_user_lines(cause)), err=True, nl=False)
    if isinstance(error, RunnerError):
        typer.echo(f"error: {error}", err=True)
    return RUN


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
