"""Problems as GitHub's workflow commands, which a workflow shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.errors import Problem
from runner.validation.report import Report, each_once, in_a_file, slashed

__all__ = ["render_github"]


def render_github(reports: Sequence[Report], root: Path) -> str:
    """A line for each problem: `::error title=CODE,file=FILE,line=LINE,col=COLUMN,endColumn=END::MESSAGE`.

    What stands in no file (an override, a broken plugin) is shown at the beginning of the config.

    Args:
        reports: What was found, by config.
        root: The repository's folder, which files are named from.
    """
    return "".join(f"{_annotation(report, problem, root)}\n" for report, problem in each_once(reports))


def _annotation(report: Report, problem: Problem, root: Path) -> str:
    origin = problem.origin
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    if origin is not None and in_a_file(origin):
        end = origin.column + max(1, origin.width)
        place = {"file": slashed(origin.file, root), "line": origin.line, "col": origin.column, "endColumn": end}
    else:
        place = {"file": slashed(report.config, root), "line": 1}
        message = f"{origin}: {message}" if origin else message
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in {"title": problem.code, **place}.items())
    return f"::{problem.severity} {properties}::{_data(message)}"


def _data(text: str) -> str:
    """A text in which nothing ends the line, nor begins an escape of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
