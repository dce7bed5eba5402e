"""Names of fields: a set that keeps the order in which they were added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet

__all__ = ["FieldNames"]


class FieldNames(MutableSet[str]):
    """A set of names in the order in which they were added, so that nothing depends on how Python hashes texts.

    Args:
        names: Those that are in it from the start.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = dict.fromkeys(names)

    def add(self, value: str) -> None:
        """Add a name."""
        self._names[value] = None

    def discard(self, value: str) -> None:
        """Take a name out, if it is there."""
        self._names.pop(value, None)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}"
