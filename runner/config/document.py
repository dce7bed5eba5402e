"""A text in YAML or JSON -> a tree of nodes with their places, and what is wrong with it.

YAML is read from ruamel.yaml's parse events rather than by its `compose()`: one pass, which recurses nowhere, refuses
duplicate keys, and can stop at the first sign of a bomb. The parser in C crashes the process on deep input, so only
the one in Python is used.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from runner.config.builder import Builder, Fatal
from runner.config.nodes import Node, Scalar
from runner.config.scalars import NumberError, read_plain
from runner.errors import Location, Problem

__all__ = ["MAX_BYTES", "Document", "Origin", "read_document"]

MAX_BYTES = 1_000_000
"""How large one file may be."""


class Origin(NamedTuple):
    """Whose text it is.

    Attributes:
        file: The name to show.
        kind: As in `Location`.
        line: The line to show instead of the text's own: the command line shows each override as one line.
        shift: How many characters of that line come before the text.
    """

    file: str
    kind: Any = "file"
    line: int | None = None
    shift: int = 0


class Document(NamedTuple):
    """What a text says.

    Attributes:
        root: Its tree; None where it could not be read, or holds nothing.
        problems: What is wrong with it.
        whole: Whether it was read to its end.
    """

    root: Node | None
    problems: list[Problem]
    whole: bool


# What YAML allows in a text. Not compiled before it is needed: such a wide set takes milliseconds.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def read_document(text: str, origin: Origin, *, json: bool = False) -> Document:
    """Read a text.

    Args:
        text: The text.
        origin: Whose it is.
        json: Read it as JSON, which forgives nothing; otherwise as YAML 1.2.
    """
    builder = Builder()
    try:
        check_text(text, origin)
        if json:
            from runner.config.json_text import read_json

            read_json(text.removeprefix("\ufeff"), origin, builder)
        else:
            _read_yaml(text, origin, builder)
    except Fatal as fatal:
        return Document(None, [*builder.problems, fatal.problem], whole=False)
    return Document(builder.root, builder.problems, whole=True)


def check_text(text: str, origin: Origin) -> None:
    """Refuse a text that is too long or holds characters that are no text."""
    if len(text) > MAX_BYTES:
        raise Fatal(too_large(origin.file, len(text)))
    if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return
    match = re.search(_FORBIDDEN, text)
    if match:
        line, column = position(text, match.start())
        mark = place(origin, line, column)
        message = f"the character U+{ord(match.group()):04X} may not stand in a config; remove it"
        raise Fatal(Problem(code="bad-character", path="", message=message, origin=mark))


def has_surrogate(text: str) -> bool:
    """Whether a text holds half a character, which cannot be encoded."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def too_large(file: str, size: int) -> Problem:
    """The problem of a file of `size` bytes."""
    message = f"the file has {size / 1e6:,.1f} MB, and a config may have {MAX_BYTES / 1e6:.0f}; is it the right file?"
    return Problem(code="too-large", path="", message=message, origin=Location(file=file, line=1, column=1))


def position(text: str, offset: int) -> tuple[int, int]:
    """The line and column, both from 0, of a character."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset), offset - start


def place(origin: Origin, line: int, column: int, width: int = 1) -> Location:
    """The location of a line and column, both from 0, of a text."""
    if origin.line is not None:
        return Location(
            file=origin.file, line=origin.line, column=origin.shift + column + 1, width=width, kind=origin.kind
        )
    return Location(file=origin.file, line=line + 1, column=column + 1, width=width, kind=origin.kind)


_CORE_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}


class _YamlReader:
    """Turns ruamel.yaml's events into calls of a builder."""

    def __init__(self, origin: Origin, builder: Builder) -> None:
        self.origin = origin
        self.builder = builder
        self.documents = 0

    def mark(self, event: Any) -> Location:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if end.line == start.line else 1
        if self.origin.line is not None:
            return place(self.origin, 0, start.index, max(end.index - start.index, 1))
        return place(self.origin, start.line, start.column, max(width, 1))

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            message = "a second document begins here; a config is one document, so put it in a file of its own"
            raise self.fatal("several-documents", message, self.mark(event))
        if event.version is not None and tuple(event.version) != (1, 2):
            message = "configs are YAML 1.2; take the %YAML line out"
            raise self.fatal("yaml-syntax", message, self.mark(event))

    def fatal(self, code: str, message: str, mark: Location) -> Fatal:
        return Fatal(Problem(code=code, path="", message=message, origin=mark))

    def scalar(self, event: Any) -> None:
        mark = self.mark(event)
        tag, text = event.tag, event.value
        if not text and event.style is None:
            mark = self.builder.beside_key(mark)
        if tag is None and event.style is None:
            self.builder.scalar(self.typed(text, mark), event.anchor, plain=text)
            return
        if event.style == '"':
            text = self.checked(text, mark)
        kind = "str" if tag in {None, "!"} else _CORE_TAGS.get(tag)
        if kind is None or kind in {"map", "seq"}:
            self.unknown_tag(tag, mark)
            self.builder.scalar(Scalar(text, mark, unknown=True), event.anchor)
        elif kind == "str":
            self.builder.scalar(Scalar(text, mark, as_text=tag is not None), event.anchor)
        else:
            node = self.typed(text, mark)
            value = node.value
            if node.unknown:
                pass  # said already
            elif not isinstance(value, _TYPES[kind]) or (kind != "bool" and isinstance(value, bool)):
                self.builder.problem("bad-tag", f"'!!{kind}' is said of {text[:40]!r}, which is none", mark)
                node.unknown = True
            elif kind == "float" and isinstance(value, int):
                node.value = float(value)
            self.builder.scalar(node, event.anchor)

    def typed(self, text: str, mark: Location) -> Scalar:
        try:
            return Scalar(read_plain(text), mark)
        except NumberError as error:
            self.builder.problem("bad-number", f"{error}", mark)
            return Scalar(None, mark, unknown=True)

    def checked(self, text: str, mark: Location) -> str:
        """Refuse what only an escape can bring in: NUL, and halves of a character."""
        if has_surrogate(text):
            # JSON writes a character beyond U+FFFF as two escapes.
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            if "\ufffd" in text:
                self.builder.problem("bad-character", "an escape gives half a character (a lone surrogate)", mark)
        if "\0" in text:
            self.builder.problem("bad-character", "an escape gives the character NUL, which no value may hold", mark)
            text = text.replace("\0", "\ufffd")
        return text

    def open(self, event: Any, *, is_map: bool) -> None:
        mark, tag = self.mark(event), event.tag
        known = tag in {None, "!"} or _CORE_TAGS.get(tag) == ("map" if is_map else "seq")
        if not known:
            self.unknown_tag(tag, mark)
        if mark.width > 1 and not event.flow_style:
            mark = place(self.origin, mark.line - 1, mark.column - 1) if self.origin.line is None else mark
        self.builder.open(mark, event.anchor, is_map=is_map, unknown=not known)

    def unknown_tag(self, tag: str, mark: Location) -> None:
        name = tag.replace("tag:yaml.org,2002:", "!!") if tag.startswith("tag:yaml.org,2002:") else tag
        message = (
            f"the tag {name[:60]!r} is not known here; a config is plain data, and a component is named by its 'type'"
        )
        self.builder.problem("unknown-tag", message, mark)


def _read_yaml(text: str, origin: Origin, builder: Builder) -> None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import (
        AliasEvent,
        DocumentStartEvent,
        MappingEndEvent,
        MappingStartEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
    )

    reader = _YamlReader(origin, builder)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            kind = type(event)
            if kind is ScalarEvent:
                reader.scalar(event)
            elif kind is MappingStartEvent:
                reader.open(event, is_map=True)
            elif kind is SequenceStartEvent:
                reader.open(event, is_map=False)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                builder.close()
            elif kind is AliasEvent:
                builder.alias(event.anchor, reader.mark(event))
            elif kind is DocumentStartEvent:
                reader.document(event)
    except MarkedYAMLError as error:
        raise _syntax(error, text, origin) from error
    except (YAMLError, ValueError, OverflowError, AssertionError) as error:
        # The scanner lets chr() refuse an escape such as "\U00110000", without saying where.
        message = f"the text cannot be read as YAML: {error}"
        mark = place(origin, 0, 0)
        raise Fatal(Problem(code="yaml-syntax", path="", message=message, origin=mark)) from error


def _syntax(error: Any, text: str, origin: Origin) -> Fatal:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    if origin.line is not None and mark is not None:
        column = mark.index
    message = str(error.problem or error.context or "this is no YAML")
    if error.context and error.problem:
        message = f"{message}, {error.context}"
        if error.context_mark is not None and error.context_mark.line != line:
            message += f" that begins in line {error.context_mark.line + 1}"
    message += _syntax_hint(message, text, line)
    return Fatal(Problem(code="yaml-syntax", path="", message=message, origin=place(origin, line, column)))


def _syntax_hint(message: str, text: str, line: int) -> str:
    lines = text.split("\n")
    here = lines[line] if line < len(lines) else ""
    if "'\\t'" in message:
        return "; indent with spaces, a tab is not allowed there"
    if "${" in here and any(bracket in here for bracket in "[{"):
        return '; between brackets, a value with ${…} needs quotes: ["${vars.name}"]'
    if "mapping values are not allowed" in message:
        return '; a text that holds ": " needs quotes, and a nested key a line of its own'
    if "cannot start any token" in message:
        return "; a text that begins with this character needs quotes"
    return ""
