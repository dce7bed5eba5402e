"""A YAML text taken apart: where each mapping, list and value begins and ends."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

__all__ = ["CannotFormat", "Span", "Syntax", "Token"]


_NEAR = 2
"""Spaces before a comment that is meant to be near, and where there is no room in its column."""


class CannotFormat(Exception):  # noqa: N818 - it says why, and is no error of the config
    """A text is right, and of a form that is left as it is."""


@dataclass(slots=True)
class Span:
    """A value's place in the text.

    Attributes:
        kind: A leaf is a single value or an alias.
        start: Its first character; of a value with an anchor or a tag, that of these.
        end: Behind its last character; comments and blank lines that follow are no part of it.
        flow: Whether brackets stand around it.
        style: How a single value is written: None where it has no quotes, else `'`, `"`, `|` or `>`.
        value: A single value's text.
        entries: A mapping's keys and values.
        items: A list's items, each behind the offset of its dash, or of its own in a list with brackets.
    """

    kind: Literal["map", "list", "leaf"]
    start: int
    end: int
    flow: bool = False
    style: str | None = None
    value: str = ""
    entries: list[tuple[Span, Span]] = field(default_factory=list)
    items: list[tuple[int, Span]] = field(default_factory=list)

    @property
    def block(self) -> bool:
        """Whether it is a mapping or a list without brackets."""
        return self.kind != "leaf" and not self.flow

    def walk(self) -> Iterator[Span]:
        """This and everything in it, from the outside in."""
        yield self
        for key, value in self.entries:
            yield from key.walk()
            yield from value.walk()
        for _, item in self.items:
            yield from item.walk()


class Token(NamedTuple):
    """A piece of the text that is neither space nor comment."""

    kind: str
    start: int
    end: int


class Syntax:
    """A text with its parts.

    Args:
        text: YAML without mistakes, one document, its lines ended by a newline alone.

    Attributes:
        root: The document's value.
        tokens: Those that have any characters, in their order.
        keeps: Whether a text in it takes in what lines follow it: one with a `+`, or without a line of its own.

    Raises:
        CannotFormat: The text is of a form that this does not take apart.
    """

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML

        self.text = text
        self.keeps = False
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.tokens = [
            Token(type(token).__name__.removesuffix("Token"), token.start_mark.index, token.end_mark.index)
            for token in YAML(typ="safe", pure=True).scan(text)
            if token.end_mark.index > token.start_mark.index
        ]
        for token in self.tokens:
            if token.kind == "Key":
                raise CannotFormat(f"line {self.line(token.start) + 1} has a key that is written with '?'")
        self._dashes = [token.start for token in self.tokens if token.kind == "BlockEntry"]
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        event = next(self._events)
        while type(event).__name__ in {"StreamStartEvent", "DocumentStartEvent"}:
            event = next(self._events)
        self.root = self._read(event, -1)

    def line(self, offset: int) -> int:
        """The line of a character, from 0."""
        return bisect_right(self._lines, offset) - 1

    def line_start(self, line: int) -> int:
        """The first character of a line."""
        return self._lines[line]

    def column(self, offset: int) -> int:
        """How many characters stand before one in its line."""
        return offset - self._lines[self.line(offset)]

    def begins_line(self, offset: int) -> bool:
        """Whether nothing but spaces stands before a character in its line."""
        return not self.text[self._lines[self.line(offset)] : offset].strip()

    @cached_property
    def content_ends(self) -> dict[int, int]:
        """Where the last token ends that ends in a line, by the line: behind it stands a comment, or nothing."""
        ends = [token.end for token in self.tokens if self.text[token.start] not in "|>"]
        return {self.line(end - 1): end for end in ends}

    @cached_property
    def comment_columns(self) -> dict[int, int]:
        """The columns of the comments behind something, by their lines."""
        found = {}
        for line, end in self.content_ends.items():
            rest = self.text[end : self.text.index("\n", end)]
            if rest.lstrip().startswith("#"):
                found[line] = self.column(end) + len(rest) - len(rest.lstrip())
        return found

    def before_comment(self, line: int, content: int) -> str:
        """The spaces before the comment in a line whose content ends in another column now.

        A comment that lines up with one above or below stays in its column where there is room; another that is near
        stays near.
        """
        column = self.comment_columns[line]
        gap = column - self.column(self.content_ends[line])
        alone = column not in {self.comment_columns.get(line - 1), self.comment_columns.get(line + 1)}
        if alone and gap <= _NEAR:
            return " " * gap
        return " " * (column - content if column > content else _NEAR)

    @property
    def comments(self) -> list[str]:
        """Every comment's text."""
        gaps = zip([0, *(token.end for token in self.tokens)], [*(t.start for t in self.tokens), None], strict=True)
        return [comment.rstrip() for start, end in gaps for comment in re.findall("#.*", self.text[start:end])]

    def _read(self, event: Any, behind: int) -> Span:
        """Read a value; `behind` is where what comes before it ends."""
        kind, start = type(event).__name__, event.start_mark.index
        if kind == "MappingStartEvent":
            return self._read_map(event, start)
        if kind == "SequenceStartEvent":
            return self._read_list(event, start)
        end = event.end_mark.index
        if kind == "AliasEvent":
            return Span("leaf", start, end)
        style = event.style or None
        if start == end or (event.value == "" and style is None and event.anchor is None and event.tag is None):
            return Span("leaf", behind, behind)
        if style in {"|", ">"}:
            end = self._literal_end(start, end)
        return Span("leaf", start, end, style=style, value=event.value)

    def _literal_end(self, start: int, end: int) -> int:
        """Where a text that is written as it is ends: blank lines behind it count where its header has a `+`."""
        header, *lines = self.text[start:end].split("\n")
        told = re.search(r"[|>]([-+0-9]*)", header)
        indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
        if told is None or "+" in told[1] or not indents:
            self.keeps = True
        if told is not None and "+" in told[1]:
            return end
        # Spaces beyond the text's own indentation are a part of it.
        indent = min(indents, default=len(self.text))
        digit = told[1].strip("-") if told is not None and indents else ""
        indent = int(digit) if digit else indent
        while lines and not lines[-1].strip() and len(lines[-1]) <= indent:
            lines.pop()
        return start + len("\n".join([header, *lines]))

    def _read_map(self, event: Any, start: int) -> Span:
        span = Span("map", start, start, flow=bool(event.flow_style))
        behind = start
        while type(following := next(self._events)).__name__ != "MappingEndEvent":
            key = self._read(following, behind)
            colon = re.compile(r"[ \t]*:").match(self.text, key.end)
            value = self._read(next(self._events), colon.end() if colon else key.end)
            span.entries.append((key, value))
            behind = value.end
        span.end = following.end_mark.index if span.flow else behind
        return span

    def _read_list(self, event: Any, start: int) -> Span:
        span = Span("list", start, start, flow=bool(event.flow_style))
        behind = start
        while type(following := next(self._events)).__name__ != "SequenceEndEvent":
            dash = -1
            if not span.flow:
                dash = self._dash(max(behind, start))
            item = self._read(following, dash + 1 if dash >= 0 else behind)
            span.items.append((dash if dash >= 0 else item.start, item))
            behind = item.end
        span.end = following.end_mark.index if span.flow else behind
        return span

    def _dash(self, behind: int) -> int:
        """The first dash that stands behind a place."""
        return self._dashes[bisect_right(self._dashes, behind - 1)]
