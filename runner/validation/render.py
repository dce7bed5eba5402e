"""Problems as text for people, and as data for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.errors import Location, Problem

__all__ = ["render_json", "render_text"]

_RED, _YELLOW, _GREEN, _BOLD, _OFF = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
_EXCERPT = 160
"""Characters of a line that are shown; a longer one is cut around the place."""


def render_text(problems: Sequence[Problem], sources: Mapping[str, str], color: bool = False) -> str:
    """Each problem with its place, and the line it stands in with the spot underlined.

    Args:
        problems: In the order to show them.
        sources: Each file's text, by the name that the problems' origins use.
        color: Whether to use the terminal's colours.
    """
    lines = {name: text.splitlines() for name, text in sources.items()}
    return "".join(f"{_block(problem, lines, color)}\n" for problem in problems)


def _block(problem: Problem, lines: Mapping[str, Sequence[str]], color: bool) -> str:
    place = f"{_plain(str(problem.origin))}: " if problem.origin else ""
    label = f"{problem.severity}[{problem.code}]"
    if color:
        place = f"{_BOLD}{place}{_OFF}"
        label = f"{_RED if problem.severity == 'error' else _YELLOW}{label}{_OFF}"
    path = f" {_plain(problem.path)}:" if problem.path else ":"
    return "\n".join([f"{place}{label}{path} {_plain(problem.message)}", *_excerpt(problem.origin, lines, color)])


def _plain(text: str) -> str:
    """Text without characters that would steer a terminal; as many as before, so that carets stay in their column."""
    return "".join(character if character.isprintable() else " " for character in text)


def _excerpt(origin: Location | None, lines: Mapping[str, Sequence[str]], color: bool) -> list[str]:
    if origin is None or origin.file not in lines or not 1 <= origin.line <= len(lines[origin.file]):
        return []
    text = _plain(lines[origin.file][origin.line - 1])
    start = origin.column - 1
    cut = max(0, start - _EXCERPT // 2) if len(text) > _EXCERPT else 0
    shown = text[cut : cut + _EXCERPT]
    width = max(1, min(origin.width, len(shown) - (start - cut)))
    carets = "^" * width
    if color:
        carets = f"{_GREEN}{carets}{_OFF}"
    return [f"{origin.line:5d} | {shown}".rstrip(), f"      | {' ' * (start - cut)}{carets}"]


def render_json(problems: Sequence[Problem]) -> dict[str, Any]:
    """The problems as plain data, in the form that the documentation gives for `--format json`."""
    return {
        "ok": not any(problem.severity == "error" for problem in problems),
        "problems": [
            {
                "code": problem.code,
                "severity": problem.severity,
                "path": problem.path,
                "message": problem.message,
                "file": problem.origin.file if problem.origin else None,
                "line": problem.origin.line if problem.origin else None,
                "column": problem.origin.column if problem.origin else None,
                "suggestion": problem.suggestion,
            }
            for problem in problems
        ],
    }
