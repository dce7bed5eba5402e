"""A text's spaces within lines."""

from __future__ import annotations

import re
from itertools import pairwise

from runner.config.layout.syntax import Syntax, Token

__all__ = ["spaced"]

_OPENING = frozenset({"FlowMappingStart", "FlowSequenceStart"})
_CLOSING = frozenset({"FlowMappingEnd", "FlowSequenceEnd"})
_MARKS = frozenset({"Alias", "Anchor", "Tag"})


def spaced(text: str) -> str:
    """Put one space behind each colon and comma, and none before them nor inside brackets: `{a: 1, b: [2, 3]}`.

    Comments stay in their column where there is room. Line breaks stay, and lines of spaces become empty.

    Args:
        text: The text.

    Raises:
        CannotFormat: As `Syntax`.
    """
    syntax = Syntax(text)
    edits: list[tuple[int, int, str]] = []
    shift: dict[int, int] = {}
    depth = 0
    for one, other in pairwise(syntax.tokens):
        depth += (one.kind in _OPENING) - (one.kind in _CLOSING)
        gap = text[one.end : other.start]
        if "\n" in gap or "\n" in text[one.start : one.end]:
            continue
        wanted = _gap(one, other, gap, in_brackets=depth > 0)
        if wanted != gap:
            edits.append((one.end, other.start, wanted))
            line = syntax.line(one.start)
            shift[line] = shift.get(line, 0) + len(wanted) - len(gap)
    for line, change in shift.items():
        edits += _comment(syntax, line, change)
    edits += _blank(syntax)
    return _edited(text, edits)


def _gap(one: Token, other: Token, gap: str, *, in_brackets: bool) -> str:
    """What is to stand between two tokens of a line."""
    if one.kind == "Value" and other.kind in {*_CLOSING, "FlowEntry"}:
        return " " if gap else gap  # an empty value
    if other.kind == "Value":
        return " " if one.kind in _MARKS else ""
    if one.kind in {"Value", *_MARKS} and other.kind not in {*_CLOSING, "FlowEntry"}:
        return " "
    if in_brackets:
        if one.kind in _OPENING or other.kind in {*_CLOSING, "FlowEntry"}:
            return ""
        if one.kind == "FlowEntry":
            return " "
    return gap


def _comment(syntax: Syntax, line: int, change: int) -> list[tuple[int, int, str]]:
    """Keep the comment at the end of a line in its place."""
    if line not in syntax.comment_columns:
        return []
    end = syntax.content_ends[line]
    start = syntax.line_start(line) + syntax.comment_columns[line]
    return [(end, start, syntax.before_comment(line, syntax.column(end) + change))]


def _blank(syntax: Syntax) -> list[tuple[int, int, str]]:
    """Take the spaces out of lines that hold nothing else, but for those in the middle of a value."""
    inside: set[int] = set()
    for span in syntax.root.walk():
        if span.kind == "leaf":
            inside.update(range(syntax.line(span.start) + 1, syntax.line(max(span.start, span.end - 1)) + 1))
    return [
        (match.start(), match.end(), "")
        for match in re.finditer(r"(?m)^[ \t]+$", syntax.text)
        if syntax.line(match.start()) not in inside
    ]


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    written, offset = [], 0
    for start, end, new in sorted(edits):
        written += [text[offset:start], new]
        offset = end
    return "".join([*written, text[offset:]])
