"""JSON with places, by the standard's grammar alone: no comments, no trailing commas, no NaN."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from runner.config.builder import Builder, Fatal
from runner.config.document import Origin, has_surrogate
from runner.config.nodes import Scalar
from runner.config.scalars import NumberError, read_plain
from runner.errors import Location, Problem

__all__ = ["read_json"]

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<word>true|false|null)"
    r"|(?P<sign>[{}\[\],:])"
)


def read_json(text: str, origin: Origin, builder: Builder) -> None:
    """Feed a JSON text to a builder.

    Raises:
        Fatal: The text is no JSON.
    """
    _Reader(text, origin, builder).read()


class _Reader:
    def __init__(self, text: str, origin: Origin, builder: Builder) -> None:
        self.text = text
        self.origin = origin
        self.builder = builder
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.offset = 0
        self.start = 0

    def read(self) -> None:
        closers: list[str] = []  # the brackets that will end what is open
        state = "value"
        while True:
            kind, text, mark = self.token()
            if closers and text == closers[-1] and state in {"first", "after"}:
                closers.pop()
                self.builder.close()
                state = "after"
            elif state == "after":
                if not closers and not kind:
                    return
                if not closers or text != ",":
                    raise self.error(f"expected ',' or '{closers[-1]}' here" if closers else "expected nothing more")
                state = "next"
            elif state in {"first", "next"} and closers[-1] == "}":
                self.key(kind, text, mark)
                state = "value"
            elif not kind and not closers:
                return  # nothing at all: the caller says so
            else:
                opened = self.value(kind, text, mark)
                state = "first" if opened else "after"
                closers += [opened] if opened else []

    def key(self, kind: str, text: str, mark: Location) -> None:
        """Take a key and its colon."""
        if kind != "text":
            raise self.error("expected a key in double quotes here")
        self.builder.scalar(Scalar(self.string(text, mark), mark))
        if self.token()[1] != ":":
            raise self.error("expected ':' after the key")

    def value(self, kind: str, text: str, mark: Location) -> str:
        """Take a value's first token; give back the bracket that will end it, "" for a single value."""
        if kind == "text":
            self.builder.scalar(Scalar(self.string(text, mark), mark))
        elif kind in {"number", "word"}:
            self.builder.scalar(self.number(text, mark))
        elif text in {"{", "["}:
            self.builder.open(mark, is_map=text == "{")
            return "}" if text == "{" else "]"
        else:
            raise self.error("expected a value here")
        return ""

    def number(self, text: str, mark: Location) -> Scalar:
        try:
            return Scalar(read_plain(text), mark)
        except NumberError as error:
            self.builder.problem("bad-number", str(error), mark)
            return Scalar(None, mark, unknown=True)

    def string(self, text: str, mark: Location) -> str:
        value = str(json.loads(text))
        if "\0" in value or has_surrogate(value):
            self.builder.problem("bad-character", "an escape gives NUL or half a character", mark)
            value = "\ufffd"
        return value

    def token(self) -> tuple[str, str, Location]:
        """The next token: its kind ("" at the end), its text, its place."""
        space = _SPACE.match(self.text, self.offset)
        start = self.start = space.end() if space else self.offset
        if start == len(self.text):
            return "", "", self.place(start, 1)
        match = _TOKEN.match(self.text, start)
        if match is None:
            raise self.error("this is no JSON; a text stands in double quotes, and there are no comments")
        self.offset = match.end()
        return match.lastgroup or "", match.group(), self.place(start, match.end() - start)

    def place(self, offset: int, width: int) -> Location:
        line = bisect_right(self.lines, offset) - 1
        column = offset - self.lines[line] + 1
        return Location(file=self.origin.file, line=line + 1, column=column, width=width, kind=self.origin.kind)

    def error(self, message: str) -> Fatal:
        return Fatal(Problem(code="json-syntax", path="", message=message, origin=self.place(self.start, 1)))
