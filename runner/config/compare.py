"""What differs between two composed configs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.config.compose import Composition
from runner.config.nodes import Node, NodeList, NodeMap, Scalar, same
from runner.errors import Location, Path

__all__ = ["Difference", "Side", "differences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one of the configs has at a path.

    Attributes:
        value: Plain data, with `${env:NAME}` in place of what the environment brought in.
        origin: Where it was written.
    """

    value: Any
    origin: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A path at which two configs differ.

    Attributes:
        path: Keys and list indices from the top.
        before: What the first config has there; None where it has nothing.
        after: What the second has.
    """

    path: Path
    before: Side | None
    after: Side | None


def differences(before: Composition, after: Composition) -> list[Difference]:
    """Compare two configs as they are composed: bases joined, overrides applied, references resolved, no defaults.

    Lists are compared item by item; the order of a mapping's keys says nothing. A value that the environment brought in
    equals only one that the same reference brought in, so that nothing is said about what the variable holds.

    Args:
        before: The first config.
        after: The second.

    Returns:
        The differences, in the order of the first config; where a whole mapping or list is only in one of them, that.
    """
    return list(_compare(before.resolved, after.resolved, ()))


def _compare(before: Node, after: Node, path: Path) -> Iterator[Difference]:
    if isinstance(before, NodeMap) and isinstance(after, NodeMap):
        for key in [*before.entries, *(key for key in after.entries if key not in before.entries)]:
            one, other = before.entries.get(key), after.entries.get(key)
            if one is not None and other is not None:
                yield from _compare(one.node, other.node, (*path, key))
            else:
                yield Difference(path=(*path, key), before=one and _side(one.node), after=other and _side(other.node))
    elif isinstance(before, NodeList) and isinstance(after, NodeList):
        for index in range(max(len(before.items), len(after.items))):
            here = (*path, index)
            if index >= len(after.items):
                yield Difference(path=here, before=_side(before.items[index]), after=None)
            elif index >= len(before.items):
                yield Difference(path=here, before=None, after=_side(after.items[index]))
            else:
                yield from _compare(before.items[index], after.items[index], here)
    elif not _equal(before, after):
        yield Difference(path=path, before=_side(before), after=_side(after))


def _equal(before: Node, after: Node) -> bool:
    if not isinstance(before, Scalar) or not isinstance(after, Scalar):
        return False
    if before.pinned is not None or after.pinned is not None:
        return before.pinned == after.pinned
    return same(before.value, after.value)


def _side(node: Node) -> Side:
    return Side(value=_shown(node), origin=node.mark)


def _shown(node: Node) -> Any:
    if isinstance(node, NodeMap):
        return {key: _shown(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, NodeList):
        return [_shown(item) for item in node.items]
    return node.value if node.pinned is None else node.pinned
