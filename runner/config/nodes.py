"""The tree that a config is until it becomes plain data: each key and each value with its place.

Nodes are never changed once they are built; what edits a tree copies the containers on the way to the edit.
So trees can share branches (aliases, bases, copies of a `Config`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from runner.config.suggest import nearest
from runner.errors import Location, Path

__all__ = [
    "Entry",
    "Node",
    "NodeList",
    "NodeMap",
    "Scalar",
    "child_of",
    "closest",
    "find",
    "from_plain",
    "iterate",
    "replace_at",
    "same",
    "to_plain",
]


class Scalar:
    """A single value.

    Attributes:
        value: Text, a number, a boolean or None; any object where Python code put one.
        mark: Where it stands.
        as_text: `!!str` was written before it, so an interpolation in it always gives text.
        unknown: What stands there could not be understood, so nothing more should be said about it.
        source: The node with the `${…}` that this value was put in for.
        pinned: For a value that came from `${…}`: the same with no reference left but those to the environment.
        text: For a value that came from the environment: its text there.
    """

    __slots__ = ("as_text", "mark", "pinned", "source", "text", "unknown", "value")

    def __init__(
        self,
        value: Any,
        mark: Location,
        *,
        as_text: bool = False,
        unknown: bool = False,
        source: Node | None = None,
        pinned: str | None = None,
        text: str | None = None,
    ) -> None:
        self.value = value
        self.mark = mark
        self.as_text = as_text
        self.unknown = unknown
        self.source = source
        self.pinned = pinned
        self.text = text


class NodeMap:
    """A mapping.

    Attributes:
        entries: Each key's place and value.
        mark: Where it begins.
        replaces: Where `_delete_: true` stood in it, if it did.
        height: How many containers lie in one another here, 1 for a flat one.
        unknown: As for `Scalar`.
        source: The node without its interpolations resolved, where it has any.
    """

    __slots__ = ("entries", "height", "mark", "replaces", "source", "unknown")

    def __init__(
        self,
        entries: dict[str, Entry],
        mark: Location,
        *,
        replaces: Location | None = None,
        unknown: bool = False,
        source: Node | None = None,
    ) -> None:
        self.entries = entries
        self.mark = mark
        self.replaces = replaces
        self.unknown = unknown
        self.source = source
        self.height = 1 + max([_height(entry.node) for entry in entries.values()], default=0)


class NodeList:
    """A list; its attributes are those of `NodeMap`."""

    __slots__ = ("height", "items", "mark", "source", "unknown")

    def __init__(self, items: list[Node], mark: Location, *, unknown: bool = False, source: Node | None = None) -> None:
        self.items = items
        self.mark = mark
        self.unknown = unknown
        self.source = source
        self.height = 1 + max([_height(item) for item in items], default=0)


Node: TypeAlias = Scalar | NodeMap | NodeList


class Entry(NamedTuple):
    """A key's place and its value."""

    key: Location
    node: Node


def _height(node: Node) -> int:
    return 0 if isinstance(node, Scalar) else node.height


def from_plain(value: Any, mark: Location) -> Node:
    """Make a tree of plain data, every part of it at the same place."""
    if isinstance(value, Mapping):
        return NodeMap({str(key): Entry(mark, from_plain(item, mark)) for key, item in value.items()}, mark)
    if isinstance(value, list | tuple):
        return NodeList([from_plain(item, mark) for item in value], mark)
    return Scalar(value, mark)


def to_plain(node: Node) -> Any:
    """Make plain data of a tree, with nothing shared between its parts."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, NodeMap):
        return {key: to_plain(entry.node) for key, entry in node.entries.items()}
    return [to_plain(item) for item in node.items]


def child_of(node: Node, part: str | int) -> Node | None:
    """The value under a key or at an index; a list takes an index written as text too."""
    if isinstance(node, NodeMap):
        entry = node.entries.get(str(part))
        return None if entry is None else entry.node
    if isinstance(node, NodeList):
        index = int(part) if isinstance(part, int) or (part.isascii() and part.isdigit() and len(part) < 9) else -1
        return node.items[index] if 0 <= index < len(node.items) else None
    return None


def find(node: Node, path: Sequence[str | int]) -> Node | None:
    """The value at a path, None where there is none."""
    for part in path:
        child = child_of(node, part)
        if child is None:
            return None
        node = child
    return node


def replace_at(node: Node, path: Sequence[str | int], entry: Entry | None) -> Node:
    """Copy a tree with the value at a path put in, or taken out where `entry` is None.

    All but the last part of the path must exist, and fit the containers that are there.
    """
    part, rest = path[0], path[1:]
    if isinstance(node, NodeMap):
        entries = dict(node.entries)
        key = str(part)
        if rest:
            entries[key] = Entry(entries[key].key, replace_at(entries[key].node, rest, entry))
        elif entry is None:
            del entries[key]
        else:
            entries[key] = entry
        return NodeMap(entries, node.mark, replaces=node.replaces, unknown=node.unknown)
    assert isinstance(node, NodeList)
    items, index = list(node.items), int(part)
    if rest:
        items[index] = replace_at(items[index], rest, entry)
    elif entry is None:
        del items[index]
    else:
        items[index] = entry.node
    return NodeList(items, node.mark, unknown=node.unknown)


def iterate(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Each node of a tree with its path, parents first."""
    yield path, node
    if isinstance(node, NodeMap):
        for key, entry in node.entries.items():
            yield from iterate(entry.node, (*path, key))
    elif isinstance(node, NodeList):
        for index, item in enumerate(node.items):
            yield from iterate(item, (*path, index))


def same(left: Any, right: Any) -> bool:
    """Whether two pieces of plain data are equal, types included; NaN equals itself, 1 does not equal True."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return False
    if type(left) is not type(right):
        return False
    # An array's comparison is no truth value, so foreign objects are compared by identity first.
    return left is right or bool(left == right) or (left != left and right != right)  # noqa: PLR0124 - NaN


def closest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant."""
    return nearest(name, known[:1000])
