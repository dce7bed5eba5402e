"""A config's file laid out anew, and written so that it is there whole at any moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.config.compose import compose
from runner.config.document import Origin, read_document
from runner.config.layout.format import CannotFormat, format_text
from runner.config.nodes import NodeMap, same
from runner.errors import Problem

__all__ = ["Formatted", "format_file", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """What became of a file.

    Attributes:
        file: Its name as it was given.
        before: Its text.
        after: The text that it is to have.
        problems: What is wrong with the text, for which nothing is done to it.
        left_alone: Why nothing is done to a text that is right.
    """

    file: str
    before: str = ""
    after: str = ""
    problems: Sequence[Problem] = ()
    left_alone: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the text is to change."""
        return self.before != self.after

    def diff(self) -> str:
        """The change, as a unified diff."""
        import difflib

        before, after = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        shown = difflib.unified_diff(before, after, f"{self.file} (before)", f"{self.file} (after)")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in shown)


def format_file(file: str, fields: Sequence[str]) -> Formatted:
    """Lay out a config's text; nothing is written.

    Args:
        file: The file.
        fields: The fields at the top, in their order; others come last.
    """
    if file.lower().endswith(".json"):
        return Formatted(file=file, left_alone="JSON is written by programs; YAML is formatted")
    composition = compose(file)
    before = composition.sources.get(file)
    if before is None:
        return Formatted(file=file, problems=composition.problems)
    document = read_document(before, Origin(file))
    if document.problems or not isinstance(document.root, NodeMap) or file.endswith(".py"):
        problems = document.problems or [each for each in composition.problems if _is_of(each, file)]
        return Formatted(file=file, before=before, after=before, problems=problems)
    ends = "\r\n" if "\r\n" in before else "\n"
    try:
        after = format_text(before.replace("\r\n", "\n"), fields).replace("\n", ends)
    except CannotFormat as reason:
        return Formatted(file=file, before=before, after=before, left_alone=str(reason))
    if after != before:
        again = compose(file, text=after)
        if not (same(composition.raw, again.raw) and same(composition.data, again.data)):
            return Formatted(file=file, before=before, after=before, left_alone="it would not mean the same")
    return Formatted(file=file, before=before, after=after)


def _is_of(problem: Problem, file: str) -> bool:
    return problem.origin is not None and problem.origin.file == file


def write(result: Formatted) -> None:
    """Put the new text in the file's place: in full or, if that fails, not at all.

    Raises:
        OSError: It cannot be written there.
    """
    target = Path(result.file).resolve()  # a link stays a link
    mark = "\ufeff" if target.read_bytes().startswith("\ufeff".encode()) else ""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - it is open already
            stream.write(f"{mark}{result.after}".encode())
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(target, temporary)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
