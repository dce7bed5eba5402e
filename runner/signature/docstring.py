"""Descriptions of parameters in docstrings of Google's, NumPy's and reST's style."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Docstring", "clean", "parse_docstring"]

_GOOGLE = re.compile(
    r"^(?P<indent>\s*)(?P<title>Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Attributes)\s*:\s*$"
)
_SECTION = re.compile(r"^\s*[A-Z][A-Za-z ]{2,30}:\s*$")
_NUMPY = re.compile(r"^\s*(Parameters|Other Parameters|Attributes|Keyword Arguments)\s*$")
_UNDERLINE = re.compile(r"^\s*[-=]{3,}\s*$")
_ENTRY = re.compile(
    r"^[`*]*(?P<names>[A-Za-z_]\w*(?:`*\s*,\s*[`*]*[A-Za-z_]\w*)*)`*\s*(?:\((?P<type>.*?)\)\s*)?:(?P<text>(?:\s.*|))$"
)
_NUMPY_ENTRY = re.compile(r"^[`*]*(?P<names>[A-Za-z_]\w*(?:`*\s*,\s*[`*]*[A-Za-z_]\w*)*)`*\s*(?::.*)?$")
_REST = re.compile(
    r"^\s*:(?:param|parameter|arg|argument|key|keyword|ivar|var)\s+(?:[^:]*\s)?\*{0,2}(?P<name>\w+)\s*:\s*(?P<text>.*)$"
)
_FIELD = re.compile(r"^\s*:\w+[^:]*:")
_ROLE = re.compile(r":[a-z:]+:`~?([^`<]*?)(?:\s*<[^>]*>)?`")


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring taken apart.

    Attributes:
        summary: Its first sentence, on one line.
        text: All of it, indentation removed.
        parameters: What it says about each parameter (or attribute), on one line.
    """

    summary: str = ""
    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def clean(text: str) -> str:
    """Remove a docstring's indentation and the empty lines around it."""
    lines = text.expandtabs().splitlines()
    margins = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(margins, default=0)
    return "\n".join(
        [line.strip() if not number else line[margin:].rstrip() for number, line in enumerate(lines)]
    ).strip("\n")


def parse_docstring(text: str) -> Docstring:
    """Take a docstring apart; whatever its style, it never fails."""
    text = clean(text)
    lines = text.split("\n")
    parameters = {**_rest(lines), **_numpy(lines), **_google(lines)}
    return Docstring(_summary(lines), text, {name: found for name, found in parameters.items() if found})


def _summary(lines: list[str]) -> str:
    paragraph: list[str] = []
    for line in lines:
        if not line.strip():
            if paragraph:
                break
            continue
        if _SECTION.match(line) or _FIELD.match(line) or line.lstrip().startswith(".. "):
            break
        paragraph.append(line)
    joined = _one_line(paragraph)
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`*:(])", joined, maxsplit=1)[0]


def _one_line(lines: list[str]) -> str:
    joined = " ".join(line.strip() for line in lines if line.strip())
    return _ROLE.sub(r"\1", joined).replace("``", "`").strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    number = 0
    while number < len(lines):
        header = _GOOGLE.match(lines[number])
        number += 1
        if header is None:
            continue
        outer = len(header["indent"])
        block = []
        while number < len(lines) and (not lines[number].strip() or _indent(lines[number]) > outer):
            block.append(lines[number])
            number += 1
        for name, text in _entries(block, _ENTRY).items():
            found.setdefault(name, text)
    return found


def _entries(block: list[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """The entries of a section: each starts at the section's own indentation, and goes on deeper."""
    inner = min((_indent(line) for line in block if line.strip()), default=0)
    gathered: list[tuple[str, list[str]]] = []
    for line in block:
        entry = pattern.match(line.strip()) if line.strip() and _indent(line) == inner else None
        if entry is not None:
            text = entry["text"] if "text" in pattern.groupindex else ""
            gathered.append((entry["names"], [text]))
        elif gathered:
            gathered[-1][1].append(line)
    return {name.strip("`* "): _one_line(text) for names, text in gathered for name in names.split(",")}


def _numpy(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    number = 0
    while number + 1 < len(lines):
        if not (_NUMPY.match(lines[number]) and _UNDERLINE.match(lines[number + 1])):
            number += 1
            continue
        number += 2
        block = []
        while number < len(lines) and not (number + 1 < len(lines) and _UNDERLINE.match(lines[number + 1])):
            block.append(lines[number])
            number += 1
        for name, text in _entries(block, _NUMPY_ENTRY).items():
            found.setdefault(name, text)
    return found


def _rest(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        entry = _REST.match(line)
        if entry is not None:
            current = found.setdefault(entry["name"], [])
            current.append(entry["text"])
        elif _FIELD.match(line) or not line.strip():
            current = None
        elif current is not None:
            current.append(line)
    return {name: _one_line(text) for name, text in found.items()}
