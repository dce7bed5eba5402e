"""What a rule is given: the composed config, and words for what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from runner.errors import Location, Path, Problem, Severity, dotted
from runner.validation.fields import names
from runner.validation.suggest import nearest

__all__ = ["Context", "Marks", "origin_of"]


class Marks(Protocol):
    """Where the keys and values of a composed config were written."""

    def key_at(self, path: Path, /) -> Location:
        """The place of a key; of the nearest mapping above it where it is missing."""

    def value_at(self, path: Path, /) -> Location:
        """The place of a value; of the nearest mapping above it where it is missing."""


def origin_of(marks: Marks, path: Path, at: Literal["key", "value"]) -> Location:
    """The place of a path's key or value."""
    return marks.key_at(path) if at == "key" else marks.value_at(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A composed config whose fields and components were looked at already.

    Attributes:
        data: The config as plain data.
        marks: Where everything was written.
        unresolved: Top-level fields that are given, and whose value is not known since it has a problem.
    """

    data: Mapping[str, Any]
    marks: Marks
    unresolved: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether a top-level field is set; null is not."""
        return self.data.get(name) is not None or name in self.unresolved

    def section(self, name: str) -> Mapping[str, Any]:
        """A top-level field that is a mapping; an empty one where it is not."""
        value = self.data.get(name)
        return value if isinstance(value, Mapping) else {}

    def misspelt(self, name: str) -> bool:
        """Whether a field seems to be there under a wrong name, which is a problem of its own."""
        known = names()
        return any(key not in known and nearest(key, known) == name for key in self.data)

    def problem(
        self,
        code: str,
        path: Path,
        message: str,
        *,
        at: Literal["key", "value"] = "key",
        severity: Severity = "error",
        suggestion: str | None = None,
    ) -> Problem:
        """Put a finding into its place."""
        origin = origin_of(self.marks, path, at)
        return Problem(
            code=code, path=dotted(path), message=message, severity=severity, origin=origin, suggestion=suggestion
        )
