"""Turns the values of a `Config`, which Python code may have changed, back into a tree to be written or composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runner.config.config_dict import ConfigDict, convert, edit_of, entry_of, node_of
from runner.config.interpolate import Resolver, escape, inlined
from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, same, to_plain
from runner.errors import Location

__all__ = ["Rewriter"]


class Rewriter:
    """Writes values as nodes: the text's own where nothing was changed, new ones at the code's place elsewhere.

    Args:
        options: The values are options, as on the command line: `${…}` and `_delete_` in them mean what they mean in
            a text. Otherwise they are taken literally.
    """

    def __init__(self, *, options: bool = False) -> None:
        self._options = options
        # What to write in place of a reference, should it no longer give the value; the node is kept for its id.
        self._fallbacks: dict[int, tuple[Node, Node]] = {}

    def write(self, value: Any, node: Node | None, mark: Location) -> tuple[Node, bool]:
        """Write a value.

        Args:
            value: What stands in the config now.
            node: What stood there in the text, resolved.
            mark: The place of a value that did not.

        Returns:
            Its node, unresolved, and whether it differs from the text's.
        """
        if isinstance(value, ConfigDict):
            written, changed = self._map(value, mark)
            return written, changed or node_of(value) is not node
        # What code put into a list was never converted.
        if isinstance(value, Mapping):
            entries = {str(key): Entry(mark, self.write(item, None, mark)[0]) for key, item in value.items()}
            return NodeMap(entries, mark), True
        if isinstance(value, list | tuple):
            return self._list(value, node if isinstance(node, NodeList) else None, mark)
        value = convert(value)
        if isinstance(node, Scalar) and same(value, node.value):
            return self._unchanged(node), False
        literal = escape(value) if isinstance(value, str) and not self._options else value
        return Scalar(literal, mark), True

    def _map(self, value: ConfigDict, mark: Location) -> tuple[Node, bool]:
        node = node_of(value)
        changed = node is None or list(value) != list(node.entries)
        entries: dict[str, Entry] = {}
        for key, item in value.items():
            place = edit_of(value, key) or mark
            old = entry_of(value, key)
            child, differs = self.write(item, old.node if old else None, place)
            entries[key] = Entry(old.key if old else place, child)
            changed = changed or differs or old is None
        if node is not None and not changed:
            return self._unchanged(node), False
        replaces = None
        if self._options and "_delete_" in entries:
            replaces = mark if to_plain(entries.pop("_delete_").node) is True else None
        return NodeMap(entries, node.mark if node else mark, replaces=replaces), True

    def _list(self, value: Sequence[Any], node: NodeList | None, mark: Location) -> tuple[Node, bool]:
        below = node.items if node else []
        place = replace(node.mark, kind="code") if node else mark
        changed = node is None or len(value) != len(below)
        items: list[Node] = []
        for index, item in enumerate(value):
            child, differs = self.write(item, below[index] if index < len(below) else None, place)
            items.append(child)
            changed = changed or differs
        if node is not None and not changed:
            return self._unchanged(node), False
        return NodeList(items, node.mark if node else mark), True

    def _unchanged(self, node: Node) -> Node:
        if node.source is None:
            return node
        if isinstance(node.source, Scalar):
            self._fallbacks[id(node.source)] = node.source, inlined(node)
        return node.source

    def settle(self, tree: Node, value: Any, environ: Mapping[str, str]) -> Node:
        """Replace the references that give other values by now, since what they name was changed.

        Args:
            tree: What `write` gave.
            value: The plain data that it must resolve to.
            environ: The environment that the config was read in.
        """
        for attempt in range(9):
            resolved = Resolver(tree, environ).resolve()
            if same(to_plain(resolved), value):
                return tree
            # References to references may take a few rounds; the last one leaves none at all.
            tree = self._repair(tree, resolved, value, always=attempt == 7)
        return tree

    def _repair(self, node: Node, resolved: Node, value: Any, *, always: bool) -> Node:
        fallback = self._fallbacks.get(id(node))
        if fallback is not None:
            return fallback[1] if always or not same(to_plain(resolved), value) else node
        if isinstance(node, NodeMap) and isinstance(resolved, NodeMap):
            entries = {
                key: Entry(entry.key, self._repair(entry.node, resolved.entries[key].node, value[key], always=always))
                for key, entry in node.entries.items()
            }
            return NodeMap(entries, node.mark, replaces=node.replaces, unknown=node.unknown)
        if isinstance(node, NodeList) and isinstance(resolved, NodeList):
            items = [
                self._repair(item, resolved.items[index], value[index], always=always)
                for index, item in enumerate(node.items)
            ]
            return NodeList(items, node.mark, unknown=node.unknown)
        return node
