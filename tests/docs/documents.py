"""The project's Markdown, taken apart: which blocks of code there are, where, and what is said about running them.

A comment in front of a block says what is not the rule:

- `<!-- not run: REASON -->`: the block is not run. Commands in it still have to exist, with their options.
- `<!-- problems: CODE, CODE -->`: a config that is wrong on purpose, and the problems that it has.
- `<!-- the other: NAME -->`: a configuration of MMEngine's or MMCV's, shown beside ours.

Between `<!-- generated: NAME -->` and `<!-- end -->` stands what `tables.py` writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCUMENTS", "ROOT", "Block", "blocks", "generated"]

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)$")
_COMMENT = re.compile(r"^<!-- (not run|problems|the other): (.+) -->$")
_FILE = re.compile(r"^# ([\w./-]+\.(?:yaml|py|toml|json|ini))$")
_GENERATED = re.compile(r"<!-- generated: ([\w-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        document: The file that it stands in.
        line: The line of its fence.
        language: What stands behind the fence.
        text: The code.
        remark: What the comment in front of it says: its word and what follows the colon.
    """

    document: Path
    line: int
    language: str
    text: str
    remark: tuple[str, str] | None

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name in the first line's comment, for a block that shows a whole file."""
        match = _FILE.match(self.text.partition("\n")[0])
        return match[1] if match else None

    @property
    def reason(self) -> str | None:
        """Why it is not run, if it is not."""
        return self.remark[1] if self.remark and self.remark[0] == "not run" else None


def blocks(document: Path) -> list[Block]:
    """The blocks of a document, in order.

    Raises:
        ValueError: A block is not closed.
    """
    found = []
    lines = document.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    language = ""
    for number, line in enumerate(lines):
        if start is None and (match := _FENCE.match(line)):
            start, language = number, match[1]
        elif start is not None and line == "```":
            comment = _COMMENT.match(lines[start - 1]) if start else None
            found.append(
                Block(
                    document=document,
                    line=start + 1,
                    language=language,
                    text="".join(f"{each}\n" for each in lines[start + 1 : number]),
                    remark=(comment[1], comment[2]) if comment else None,
                )
            )
            start = None
    if start is not None:
        raise ValueError(f"{document.name}:{start + 1}: the block is not closed")
    return found


def generated(document: Path) -> dict[str, str]:
    """What stands in a document between the marks of generated parts, by name."""
    return {match[1]: match[2] for match in _GENERATED.finditer(document.read_text(encoding="utf-8"))}


def regenerate(document: Path, parts: dict[str, str]) -> bool:
    """Write the generated parts of a document anew; whether anything changed."""
    before = document.read_text(encoding="utf-8")
    after = _GENERATED.sub(
        lambda match: f"<!-- generated: {match[1]} -->\n{parts.get(match[1], match[2])}<!-- end -->", before
    )
    document.write_text(after, encoding="utf-8")
    return after != before
