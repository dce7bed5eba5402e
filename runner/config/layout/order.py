"""A text's fields and keys in another order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from runner.config.layout.syntax import Span, Syntax

__all__ = ["ordered"]

_FIRST = ("_delete_", "<<")
"""Keys that say how a mapping comes about; where they stand before `type`, they stay there."""

_MODELINE = re.compile(r"#!|#.*(?:yaml-language-server:|\bvim?:|-\*-)")
_HEADING = re.compile(r"[-=#*~_─═]{3}")

Piece: TypeAlias = "str | tuple[int, int]"


class _Move(NamedTuple):
    """A part of the text, and what stands there instead: texts, and other parts of it."""

    start: int
    end: int
    pieces: list[Piece]


@dataclass(slots=True)
class _Chunk:
    """A key with its value, and the lines that go with them.

    Attributes:
        above: The first of the comments and blank lines above it.
        key: Where its key begins.
        end: The beginning of what comes after its lines.
        entry: The key and the value.
    """

    above: int
    key: int
    end: int
    entry: tuple[Span, Span]


def ordered(text: str, fields: Sequence[str]) -> str:
    """Put the fields at the top in order, and `type` first in each mapping that has it.

    What an alias needs stays before it, and no lines change places where a text takes in those behind it (`|+`).
    Comments go with the key below them; a heading (a comment with a line drawn in it, and a blank line below) stays, and
    fields are put in order between headings.

    Args:
        text: The text.
        fields: The fields in their order; others come last.

    Raises:
        CannotFormat: As `Syntax`.
    """
    syntax = Syntax(text)
    moves: list[_Move] = []
    for span in syntax.root.walk():
        if span.kind != "map" or not span.entries:
            continue
        if span is syntax.root:
            moves += _top(syntax, span, fields)
        else:
            moves += _type_first(syntax, span)
    return _emit(text, 0, len(text), sorted(moves, key=lambda move: (move.start, -move.end)))


def _emit(text: str, start: int, end: int, moves: Sequence[_Move]) -> str:
    """A part of the text with the moves made that lie in it, the outer ones first."""
    written = []
    offset = start
    for index, move in enumerate(moves):
        if move.start < offset or move.end > end:
            continue
        inner = moves[index + 1 :]
        written.append(text[offset : move.start])
        written += [piece if isinstance(piece, str) else _emit(text, *piece, inner) for piece in move.pieces]
        offset = move.end
    return "".join([*written, text[offset:end]])


def _type_first(syntax: Syntax, span: Span) -> Iterable[_Move]:
    keys = [key.value for key, _ in span.entries]
    place = next((index for index, key in enumerate(keys) if key not in _FIRST), len(keys))
    if "type" not in keys[place + 1 :] or "type" in keys[: place + 1]:
        return
    index = keys.index("type")
    key, value = span.entries[index]
    if any(token.kind in {"Anchor", "Alias"} for token in syntax.tokens if key.start <= token.start < value.end):
        return
    order = [*range(place), index, *(each for each in range(place, len(keys)) if each != index)]
    if span.flow:
        yield from _in_brackets(syntax, span, order)
    elif not syntax.keeps:
        yield _lines(syntax, span, order)


def _in_brackets(syntax: Syntax, span: Span, order: Sequence[int]) -> Iterable[_Move]:
    """Let entries change places, and leave what stands between them; comments would not know whose they are."""
    parts = [(key.start, max(key.end, value.end)) for key, value in span.entries]
    gaps = [syntax.text[end:start] for (_, end), (start, _) in pairwise(parts)]
    ends = [syntax.text[span.start : parts[0][0]], syntax.text[parts[-1][1] : span.end]]
    if list(order) == sorted(order) or any("#" in gap for gap in [*gaps, *ends]):
        return
    pieces: list[Piece] = []
    for index, gap in zip(order, [*gaps, ""], strict=True):
        pieces += [parts[index], gap]
    yield _Move(parts[0][0], parts[-1][1], pieces)


def _lines(syntax: Syntax, span: Span, order: Sequence[int]) -> _Move:
    """Let the lines of entries change places; the first may stand behind a list's dash."""
    chunks = _chunks(syntax, span)
    first = chunks[0]
    inline = not syntax.begins_line(first.key)
    start = syntax.line_start(syntax.line(first.key)) if inline else first.above
    indent = " " * syntax.column(first.key)
    pieces: list[Piece] = []
    for position, index in enumerate(order):
        chunk = chunks[index]
        above = syntax.text[chunk.above : chunk.key - syntax.column(chunk.key)] if index or not inline else ""
        if position == 0 and index:
            _, above = _blank_lines(above)
        lead = syntax.text[start : first.key] if position == 0 and inline else indent
        pieces += [above, lead, (chunk.key, chunk.end)]
    return _Move(start, chunks[-1].end, pieces)


def _blank_lines(above: str) -> tuple[str, str]:
    """The blank lines at the beginning of what stands above a key, and the rest."""
    rest = re.sub(r"\A(?:[ \t]*\n)+", "", above)
    return "\n" * above[: len(above) - len(rest)].count("\n"), rest


def _chunks(syntax: Syntax, span: Span) -> list[_Chunk]:
    """The entries of a mapping without brackets, with the lines that go with each."""
    column = syntax.column(span.entries[0][0].start)
    found: list[_Chunk] = []
    for key, value in span.entries:
        last = syntax.line(max(key.end, value.end) - 1)
        end = syntax.line_start(last + 1) if last + 1 < syntax.line(len(syntax.text)) else len(syntax.text)
        above = syntax.line_start(syntax.line(key.start))
        floor = syntax.line(found[-1].end) if found else 0
        for line in range(syntax.line(key.start) - 1, floor - 1, -1):
            start = syntax.line_start(line)
            shown = syntax.text[start : syntax.line_start(line + 1)].strip()
            if shown and not shown.startswith("#"):
                break
            above = start
        if found:
            above = _below(syntax, found[-1].end, above, key.start, column)
            found[-1].end = above
        found.append(_Chunk(above, key.start, end, (key, value)))
    return found


def _below(syntax: Syntax, end: int, above: int, key: int, column: int) -> int:
    """Where the lines above a key begin to be its own: comments that are indented further belong to what is above."""
    own = max(end, above)
    offset = own
    while offset < key - column:
        stop = syntax.text.index("\n", offset) + 1
        line = syntax.text[offset:stop]
        if line.strip():
            if len(line) - len(line.lstrip()) <= column:
                break
            own = stop
        offset = stop
    return own


def _top(syntax: Syntax, span: Span, fields: Sequence[str]) -> Iterable[_Move]:
    rank = {"<<": -1, **{name: number for number, name in enumerate(fields)}}
    keys = [rank.get(key.value, len(fields)) for key, _ in span.entries]
    spans = [(key.start, max(key.end, value.end)) for key, value in span.entries]
    after = _needs(syntax, spans)
    if span.flow:
        yield from _in_brackets(syntax, span, _sorted(range(len(keys)), keys.__getitem__, after))
        return
    if syntax.keeps:
        return
    chunks = _chunks(syntax, span)
    column = syntax.column(chunks[0].key)
    chunks[-1].end = _below(syntax, chunks[-1].end, chunks[-1].end, len(syntax.text) + column, column)
    fixed: dict[int, int] = {}  # where a section's own lines end, by the chunk that they stand above
    for index, chunk in enumerate(chunks):
        end = _header(syntax, chunk) if index == 0 else _heading(syntax, chunk)
        if end is not None:
            fixed[index] = end
    starts = sorted({0, *fixed})
    for start, stop in zip(starts, [*starts[1:], len(chunks)], strict=True):
        order = _sorted(range(start, stop), keys.__getitem__, after)
        if order != sorted(order):
            chunks[start].above = max(chunks[start].above, fixed.get(start, 0))
            yield _section(syntax, chunks, order)


def _section(syntax: Syntax, chunks: Sequence[_Chunk], order: Sequence[int]) -> _Move:
    """Write fields in their new order; where blank lines part fields, one parts those that have become neighbours."""
    above = {index: _blank_lines(syntax.text[chunks[index].above : chunks[index].key]) for index in order}
    least = "\n" if any(blank for index, (blank, _) in above.items() if index != min(order)) else ""
    pieces: list[Piece] = []
    for before, index in zip([None, *order], order, strict=False):
        blank, comments = above[index]
        parted = "" if before is None else blank if before + 1 == index else blank or least
        pieces += [parted, comments, (chunks[index].key, chunks[index].end)]
    return _Move(chunks[min(order)].above, chunks[max(order)].end, pieces)


def _header(syntax: Syntax, chunk: _Chunk) -> int | None:
    """Where the lines end that are about the whole file: up to the last blank one, and what editors read."""
    end = None
    offset = chunk.above
    for line in syntax.text[chunk.above : chunk.key].splitlines(keepends=True):
        offset += len(line)
        if not line.strip() or _MODELINE.match(line):
            end = offset
    return end


def _heading(syntax: Syntax, chunk: _Chunk) -> int | None:
    """Where a heading ends that stands above a field, blank lines below it included."""
    end, drawn, offset = None, False, chunk.above
    for line in syntax.text[chunk.above : chunk.key].splitlines(keepends=True):
        offset += len(line)
        if line.strip():
            drawn = drawn or bool(_HEADING.search(line))
        else:
            end, drawn = (offset if drawn or end == offset - len(line) else end), False
    return end


def _needs(syntax: Syntax, spans: Sequence[tuple[int, int]]) -> dict[int, set[int]]:
    """Which fields have to stand before which: an anchor before its aliases, and the same name in its own order."""
    names: dict[str, list[tuple[int, bool]]] = {}
    for token in syntax.tokens:
        if token.kind in {"Anchor", "Alias"}:
            index = next((number for number, (start, end) in enumerate(spans) if start <= token.start < end), None)
            if index is not None:
                mentions = names.setdefault(syntax.text[token.start + 1 : token.end], [])
                mentions.append((index, token.kind == "Anchor"))
    needs: dict[int, set[int]] = {}
    for mentions in names.values():
        once = sum(anchor for _, anchor in mentions) == 1
        for position, (index, _) in enumerate(mentions):
            before = mentions[:1] if once else mentions[:position]
            needs.setdefault(index, set()).update(other for other, _ in before if other != index)
    return needs


def _sorted(indices: Iterable[int], rank: Callable[[int], int], needs: dict[int, set[int]]) -> list[int]:
    """By rank, as far as what each needs stands before it."""
    left = sorted(indices, key=lambda index: (rank(index), index))
    here, order = set(left), list[int]()
    while left:
        free = next(index for index in left if not (needs.get(index, set()) & here) - set(order))
        left.remove(free)
        order.append(free)
    return order
