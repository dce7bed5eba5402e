"""How mappings are laid over one another."""

from __future__ import annotations

from runner.config.nodes import Entry, Node, NodeMap, same, to_plain
from runner.errors import Path, Problem, dotted

__all__ = ["join_siblings", "merge"]


def merge(base: Node, child: Node) -> Node:
    """Lay a child over its base: mappings merge deeply, all else replaces, and so does `_delete_: true`."""
    if not (isinstance(base, NodeMap) and isinstance(child, NodeMap)) or child.replaces or base.unknown:
        return child
    entries = dict(base.entries)
    for key, entry in child.entries.items():
        below = entries.get(key)
        entries[key] = entry if below is None else Entry(entry.key, merge(below.node, entry.node))
    return NodeMap(entries, child.mark, unknown=child.unknown)


def join_siblings(first: NodeMap, second: NodeMap, problems: list[Problem], path: Path = ()) -> NodeMap:
    """Join two bases of one file, neither of which rules the other; what they say differently is a problem."""
    entries = dict(first.entries)
    for key, entry in second.entries.items():
        other = entries.get(key)
        if other is None:
            entries[key] = entry
        elif isinstance(other.node, NodeMap) and isinstance(entry.node, NodeMap):
            joined = join_siblings(other.node, entry.node, problems, (*path, key))
            entries[key] = Entry(other.key, joined)
        elif other.node is not entry.node and not same(to_plain(other.node), to_plain(entry.node)):
            message = (
                f"two bases say different things here, the other one at {other.node.mark}; "
                "take one out, or let one base build on the other"
            )
            problem = Problem(code="base-clash", path=dotted((*path, key)), message=message, origin=entry.node.mark)
            problems.append(problem)
    return NodeMap(entries, first.mark, unknown=first.unknown or second.unknown)
