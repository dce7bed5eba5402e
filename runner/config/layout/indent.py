"""A text's lines indented alike: two spaces a level, a list's dashes two further than its key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runner.config.layout.syntax import CannotFormat, Span, Syntax

__all__ = ["indented"]

_STEP = 2

Chain: TypeAlias = "tuple[tuple[int, int], ...]"
"""The columns of the mappings and lists around a line, from the outside in: as they are, and as they are to be."""


@dataclass(slots=True)
class _Line:
    """A line in which a key, an item or a value begins.

    Attributes:
        column: Where it is to begin.
        dashes: How many lists' dashes stand before the rest.
        rest: Where the rest begins.
        chain: What it lies in.
    """

    column: int
    rest: int
    chain: Chain
    dashes: int = 0


@dataclass(slots=True)
class _Layout:
    """What becomes of each line.

    Attributes:
        syntax: The text.
        lines: Lines in which something begins.
        inside: Lines in the middle of a value, as they are to be.
    """

    syntax: Syntax
    lines: dict[int, _Line] = field(default_factory=dict)
    inside: dict[int, str] = field(default_factory=dict)

    def begin(self, offset: int, column: int, chain: Chain) -> None:
        """Let a line begin in a column, if what stands at an offset begins it."""
        if self.syntax.begins_line(offset):
            self.lines[self.syntax.line(offset)] = _Line(column, offset, chain)

    def place(self, span: Span, column: int, around: Chain) -> None:
        """Place a value; `column` is where it begins if it begins a line, `around` what it lies in."""
        if span.kind == "leaf" or span.flow:
            self.begin(span.start, column, around)
            self._continue(span, column, around)
            return
        first = span.entries[0][0].start if span.kind == "map" else span.items[0][0]
        if self.syntax.line(span.start) != self.syntax.line(first):
            self.begin(span.start, column, around)  # an anchor or a tag has a line of its own
        chain = (*around, (self.syntax.column(first), column))
        for key, value in span.entries:
            self.begin(key.start, column, chain)
            self.place(value, column + _STEP, chain)
        for dash, item in span.items:
            self._item(dash, item, column, chain)

    def _item(self, dash: int, item: Span, column: int, chain: Chain) -> None:
        line = self.syntax.line(dash)
        if self.syntax.begins_line(dash):
            self.lines[line] = _Line(column, dash, chain)
        found = self.lines[line]
        found.dashes += 1
        found.chain = chain
        end = self.syntax.text.index("\n", dash)
        rest = self.syntax.text[dash + 1 : end]
        found.rest = end - len(rest.lstrip()) if rest.strip() else end
        self.place(item, column + _STEP, chain)

    def _continue(self, span: Span, column: int, around: Chain) -> None:
        """Move the further lines of a value with what it lies in."""
        syntax = self.syntax
        first, last = syntax.line(span.start), syntax.line(max(span.end - 1, span.start))
        if first == last or not around:
            self.inside |= {line: self._text(line) for line in range(first + 1, last + 1)}
            return
        old, new = around[-1]
        if span.style in {"|", ">"}:
            self._literal(span, range(first + 1, last + 1), old, new)
            return
        shift = column - syntax.column(span.start) if syntax.begins_line(span.start) else new - old
        for line in range(first + 1, last + 1):
            text = self._text(line)
            depth = len(text) - len(text.lstrip(" "))
            target = max(depth + shift, new + 1) if depth > old else new
            self.inside[line] = " " * target + text.lstrip(" ") if text.strip() else ""

    def _literal(self, span: Span, lines: Sequence[int], old: int, new: int) -> None:
        """Move the lines of a text that is written as it is: as a whole, since its spaces count."""
        header = self.syntax.text[span.start : self.syntax.text.index("\n", span.start)]
        told = re.search(r"[|>][-+]?([1-9])", header)
        written = [self._text(line) for line in lines if self._text(line).strip()]
        if told is not None:
            content = old + int(told[1])
            target = new + int(told[1])
        else:
            content = len(written[0]) - len(written[0].lstrip(" ")) if written else 0
            target = new + _STEP
        for line in lines:
            text = self._text(line)[content:] if written else ""
            self.inside[line] = " " * target + text if text else ""

    def _text(self, line: int) -> str:
        start = self.syntax.line_start(line)
        return self.syntax.text[start : self.syntax.text.index("\n", start)]


def indented(text: str) -> str:
    """Indent a text, and take away what spaces and blank lines stand at its lines' and its own end.

    Comments are indented as what they stand above, or as what they stand below and line up with.

    Args:
        text: The text.

    Raises:
        CannotFormat: As `Syntax`.
    """
    syntax = Syntax(text)
    layout = _Layout(syntax)
    layout.place(syntax.root, 0, ())
    written: list[str] = []
    before: Chain = ()
    lines = text.split("\n")[:-1]
    below = _chains_below(layout, len(lines))
    for number, line in enumerate(lines):
        if number in layout.lines:
            before = layout.lines[number].chain
            written.append(_begun(layout, number, line))
        elif number in layout.inside:
            written.append(layout.inside[number])
        elif not line.strip():
            written.append("")
        elif line.lstrip().startswith("#"):
            stripped = line.strip()
            written.append(" " * _comment_column(len(line) - len(line.lstrip()), before, below[number]) + stripped)
        elif line.startswith(("---", "...", "%")):
            written.append(line.rstrip())
        else:
            raise CannotFormat(f"line {number + 1} is of a form that is not known")
    return _trimmed(layout, written)


def _chains_below(layout: _Layout, count: int) -> list[Chain]:
    """For each line, what the next line lies in in which something begins."""
    found: list[Chain] = [()] * count
    chain: Chain = ()
    for number in range(count - 1, -1, -1):
        found[number] = chain
        if number in layout.lines:
            chain = layout.lines[number].chain
    return found


def _begun(layout: _Layout, number: int, line: str) -> str:
    """A line in which something begins, with its comment in the column where it was if there is room."""
    syntax, plan = layout.syntax, layout.lines[number]
    start = syntax.line_start(number)
    lead = " " * plan.column + "- " * plan.dashes
    rest = line[plan.rest - start :]
    if number + 1 in layout.inside:
        return lead + rest  # it ends in the middle of a value, whose spaces may count
    if number not in syntax.comment_columns:
        return f"{lead}{rest}".rstrip()
    end = syntax.content_ends[number] - start
    content = (lead + line[plan.rest - start : end]).rstrip()
    comment = line[syntax.comment_columns[number] :].rstrip()
    gap = (
        line[end : syntax.comment_columns[number]]
        if content == line[:end]
        else syntax.before_comment(number, len(content))
    )
    return f"{content}{gap}{comment}"


def _comment_column(column: int, above: Chain, below: Chain) -> int:
    """The column of a comment that has a line of its own."""
    for old, new in reversed(below):
        if old == column:
            return new
    fitting = [(old, new) for old, new in (*above, *below) if old <= column]
    return max(fitting, default=(0, 0))[1]


def _trimmed(layout: _Layout, lines: list[str]) -> str:
    """The lines without blank ones at the beginning and the end, but for those that a text may keep."""
    kept = layout.inside if layout.syntax.keeps else {}
    first, last = 0, len(lines)
    while first < last and not lines[first]:
        first += 1
    while last > first and not lines[last - 1] and last - 1 not in kept:
        last -= 1
    return "\n".join(lines[first:last]) + "\n"
