"""What a rule is given: the composed config, and words for what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Protocol

from runner.errors import Location, Path, Problem, Severity, dotted
from runner.plugin import Catalog

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
        meant: Top-level fields that are there under a wrong name or in a wrong place, which is a problem of its own.
        catalog: The components on offer, the config's own among them.
        scope: The plugin that wins where several offer a name.
        folders: Where the config's own files lie, for reading them.
        faulty: The paths that have a problem already: what stands there, above or below is not to be relied on.
        whole: Whether all files of the config could be read, so that what is not given is known to be absent.
        check_paths: Whether files and folders are looked for.
        device: The type of the device that the run was asked to use; None where that is left open.
        raw: The same as `data`, with `${…}` as written.
        parts: The components that rules have asked for, kept by their path.
    """

    data: Mapping[str, Any]
    marks: Marks
    unresolved: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()
    catalog: Catalog = field(default_factory=Catalog)
    scope: str | None = None
    folders: Sequence[str | PathLike[str]] = ()
    faulty: frozenset[Path] = frozenset()
    whole: bool = True
    check_paths: bool = False
    device: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    parts: dict[Path, Any] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a top-level field is set; null is not."""
        return self.data.get(name) is not None or name in self.unresolved

    def section(self, name: str) -> Mapping[str, Any]:
        """A top-level field that is a mapping; an empty one where it is not."""
        value = self.data.get(name)
        return value if isinstance(value, Mapping) else {}

    def doubtful(self, path: Path) -> bool:
        """Whether a problem was found at a path, above or below it."""
        return any(fault[: len(path)] == path[: len(fault)] for fault in self.faulty)

    def misspelt(self, name: str) -> bool:
        """Whether a field seems to be there under a wrong name or in a wrong place, which is a problem of its own."""
        return name in self.meant

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
