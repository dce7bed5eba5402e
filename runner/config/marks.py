"""Where each key and value of a composed config stands."""

from __future__ import annotations

from runner.config.nodes import Node, NodeList, NodeMap, child_of
from runner.errors import Location, Path

__all__ = ["Marks"]


class Marks:
    """Finds places by path.

    Args:
        tree: The composed config, resolved.
        top: The beginning of the config's own file.
    """

    def __init__(self, tree: Node, top: Location) -> None:
        self._tree = tree
        self._top = top

    def value_at(self, path: Path) -> Location:
        """The place of a value; of one that is not there, the key of the nearest mapping that is."""
        node, key = self._find(path)
        return key if node is None or not path else node.mark

    def key_at(self, path: Path) -> Location:
        """The place of a value's key, of a list's item its own; of a missing one as `value_at`."""
        return self._find(path)[1]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, tuple) and self._find(path)[0] is not None

    def _find(self, path: Path) -> tuple[Node | None, Location]:
        node, key = self._tree, self._top
        for part in path:
            child = child_of(node, part)
            if child is None:
                return None, key
            if isinstance(node, NodeMap):
                key = node.entries[str(part)].key
            elif isinstance(node, NodeList):
                key = child.mark
            node = child
        return node, key
