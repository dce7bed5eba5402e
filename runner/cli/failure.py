"""What a person sees when a command fails, and what it exits with."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import typer

from runner.errors import BuildError, ConfigError, RunnerError

__all__ = ["CONFIG", "FINE", "RUN", "STOPPED", "USAGE", "report"]

FINE, CONFIG, USAGE, RUN, STOPPED = 0, 1, 2, 3, 75

_HIDDEN = tuple(str(Path(file).resolve().parent) + os.sep for file in (Path(__file__).parent, typer.__file__))
"""Folders whose frames say nothing to a user: ours, and the command-line parser's."""


def report(error: Exception) -> int:
    """Print an error, and return the exit code for it.

    An error of ours is a message. One that a user's code raised is shown with the user's traceback: our own frames, and
    the wrapping that says where in the config it happened, stand around it in a line.
    """
    if isinstance(error, ConfigError):
        from runner.validation import render_text

        typer.echo(render_text(error.problems, {}, color=sys.stderr.isatty()), err=True)
        return CONFIG
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # a usage error of the parser
        error.show()  # type: ignore[attr-defined]
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return USAGE
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    cause = error.__cause__ if isinstance(error, BuildError) else error
    if cause is not None and not isinstance(cause, RunnerError):
        shown = "".join(_user_lines(cause))
        if shown:
            typer.echo(shown, err=True, nl=False)
    if isinstance(error, RunnerError):
        typer.echo(f"error: {error}", err=True)
    return RUN


def _user_lines(error: BaseException) -> list[str]:
    """The traceback without our own frames and those that started us; whole where nothing else is left of it."""
    shown = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = shown
    while link is not None:
        hidden = [number for number, frame in enumerate(link.stack) if frame.filename.startswith(_HIDDEN)]
        inside = link.stack[hidden[0] :] if hidden else link.stack
        kept = [frame for frame in inside if not frame.filename.startswith(_HIDDEN)]
        if kept:
            link.stack = traceback.StackSummary.from_list(kept)
        link = link.__cause__ or link.__context__
    return list(shown.format())
