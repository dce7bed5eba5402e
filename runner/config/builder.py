"""Builds a tree from what a parser meets: strict about keys, and bounded whatever the text says.

Both parsers, YAML's and JSON's, feed it. A mistake that leaves the rest readable is noted and the walk goes on;
one that does not is raised as `Fatal`. Aliases are counted as what they expand to, before anything is copied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, closest
from runner.errors import Location, Path, Problem, dotted

__all__ = ["MAX_DEPTH", "MAX_VALUES", "Builder", "Fatal"]

MAX_DEPTH = 64
"""How many mappings and lists may lie in one another."""

MAX_VALUES = 50_000
"""How many keys and values one text may hold, aliases counted as often as they are used."""


class Fatal(Exception):  # noqa: N818 - it carries a problem and never leaves this package
    """A mistake after which the rest of a text cannot be read."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class _Frame:
    """A container whose end has not been seen."""

    __slots__ = ("anchor", "entries", "items", "key", "key_mark", "mark", "merges", "role", "size", "unknown")

    def __init__(self, mark: Location, anchor: str | None, *, is_map: bool, unknown: bool) -> None:
        self.mark = mark
        self.anchor = anchor
        self.unknown = unknown
        self.entries: dict[str, Entry] | None = {} if is_map else None
        self.items: list[Node] = []
        self.merges: list[tuple[Location, Node]] = []
        self.key: str | None = None
        self.key_mark: Location | None = None  # set while a key waits for its value
        self.role: Literal["entry", "merge", "drop"] = "entry"  # what becomes of that value
        self.size = 1


class Builder:
    """Takes a text's parts in order.

    Attributes:
        root: The finished tree; None until then, and where the text holds nothing.
        problems: What was found wrong on the way.
    """

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | _Frame] = {}
        self._count = 0
        self._plain: str | None = None

    def scalar(self, node: Scalar, anchor: str | None = None, *, plain: str | None = None) -> None:
        """Take a single value; `plain` is its text where it is written without quotes or tag."""
        self._spend(node.mark)
        if anchor is not None:
            self._anchors[anchor] = node, 1
        self._plain = plain
        self._add(node, 1)
        self._plain = None

    def open(self, mark: Location, anchor: str | None = None, *, is_map: bool, unknown: bool = False) -> None:
        """Take the beginning of a mapping or a list."""
        self._spend(mark)
        if len(self._frames) >= MAX_DEPTH:
            raise self._too_deep(mark)
        frame = _Frame(mark, anchor, is_map=is_map, unknown=unknown)
        if anchor is not None:
            self._anchors[anchor] = frame
        self._frames.append(frame)

    def close(self) -> None:
        """Take the end of the innermost container."""
        frame = self._frames.pop()
        node: Node
        if frame.entries is None:
            node = NodeList(frame.items, frame.mark, unknown=frame.unknown)
        else:
            replaces = self._take_delete(frame.entries)
            self._merge(frame.entries, frame.merges)
            node = NodeMap(frame.entries, frame.mark, replaces=replaces, unknown=frame.unknown)
        if frame.anchor is not None and self._anchors.get(frame.anchor) is frame:
            self._anchors[frame.anchor] = node, frame.size
        self._add(node, frame.size)

    def alias(self, name: str, mark: Location) -> None:
        """Take an alias, `*name`."""
        self._spend(mark)
        target = self._anchors.get(name)
        if isinstance(target, tuple):
            self._add(*target, mark)
            return
        if target is None:
            known = closest(name, list(self._anchors)) if len(self.problems) < 20 else None
            hint = f"did you mean '*{known}'?" if known else f"write '&{name}' before a value above to name it"
            self.problem("undefined-alias", f"no anchor '&{name}' stands before this alias; {hint}", mark, known)
        else:
            message = f"'*{name}' stands inside the value that '&{name}' names, which would never end"
            self.problem("recursive-alias", message, mark)
        self._add(Scalar(None, mark, unknown=True), 1)

    def problem(self, code: str, message: str, mark: Location, suggestion: str | None = None) -> None:
        """Note a mistake at the place that the walk has reached."""
        path = dotted(self.path())
        self.problems.append(Problem(code=code, path=path, message=message, origin=mark, suggestion=suggestion))

    def beside_key(self, mark: Location) -> Location:
        """Where a value that is left empty would stand: ruamel.yaml places it at whatever comes next, lines below."""
        key = self._frames[-1].key_mark if self._frames else None
        if key is None or key.line == mark.line:
            return mark
        return replace(key, column=key.column + key.width + 1, width=1)

    def path(self) -> Path:
        """Where the walk is."""
        path: list[str | int] = []
        for frame in self._frames:
            if frame.entries is None:
                path.append(len(frame.items))
            elif frame.key is not None:
                path.append(frame.key)
        return tuple(path)

    def _fatal(self, code: str, message: str, mark: Location) -> Fatal:
        path = dotted(self.path()[:8])
        return Fatal(Problem(code=code, path=path, message=message, origin=mark))

    def _spend(self, mark: Location) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            message = (
                f"a config may hold {MAX_VALUES:,} keys and values, and here is one more; "
                "keep long lists in a file of their own that a component reads"
            )
            raise self._fatal("too-large", message, mark)

    def _too_deep(self, mark: Location) -> Fatal:
        message = f"mappings and lists lie in one another more than {MAX_DEPTH} deep here; lift the inner ones out"
        return self._fatal("too-deep", message, mark)

    def _add(self, node: Node, size: int, mark: Location | None = None) -> None:
        """Put a finished node where it belongs; `mark` is the alias's place where it is one."""
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.size > MAX_VALUES:
            message = f"with its aliases written out, the config would hold more than {MAX_VALUES:,} values"
            raise self._fatal("alias-bomb", message, mark or node.mark)
        if not isinstance(node, Scalar) and len(self._frames) + node.height > MAX_DEPTH:
            raise self._too_deep(mark or node.mark)
        if frame.entries is None:
            frame.items.append(node)
        elif frame.key_mark is None:
            self._take_key(frame, frame.entries, node, mark or node.mark)
        else:
            if frame.role == "merge":
                frame.merges.append((frame.key_mark, node))
            elif frame.role == "entry" and frame.key is not None:
                frame.entries[frame.key] = Entry(frame.key_mark, node)
            frame.key = frame.key_mark = None

    def _take_key(self, frame: _Frame, entries: dict[str, Entry], node: Node, mark: Location) -> None:
        frame.key_mark = mark
        frame.role = "drop"
        value = node.value if isinstance(node, Scalar) else None
        if self._plain == "<<":
            if frame.merges:
                self.problem("duplicate-key", "a second '<<'; give the first one a list: <<: [*a, *b]", mark)
            frame.role = "merge"
            return
        if isinstance(value, str):
            frame.key = value
        else:
            frame.key = self._plain or None
            self._non_string_key(node, mark)
        if frame.key is None:
            return
        first = entries.get(frame.key)
        if first is None:
            frame.role = "entry"
        else:
            message = f"'{frame.key}' stands here a second time, first in line {first.key.line}; keep one of them"
            self.problem("duplicate-key", message, mark)

    def _non_string_key(self, node: Node, mark: Location) -> None:
        if not isinstance(node, Scalar):
            found, advice = "a mapping" if isinstance(node, NodeMap) else "a list", ""
        elif node.value is None:
            found, advice = "nothing", ""
        else:
            found = "a truth value" if isinstance(node.value, bool) else "a number"
            advice = f'; write "{self._plain or node.value}" in quotes'
        self.problem("non-string-key", f"a key is a text, and here {found} stands for one{advice}", mark)

    def _take_delete(self, entries: dict[str, Entry]) -> Location | None:
        entry = entries.pop("_delete_", None)
        if entry is None:
            return None
        value = entry.node.value if isinstance(entry.node, Scalar) else None
        path = self.path()
        if not isinstance(value, bool):
            message = "'_delete_' takes true, and then this mapping replaces the base's whole"
        elif any(isinstance(part, int) for part in path):
            message = "a list replaces the base's whole anyway; take '_delete_' out"
        else:
            return entry.key if value else None
        problem = Problem(code="bad-delete", path=dotted((*path, "_delete_")), message=message, origin=entry.key)
        self.problems.append(problem)
        return None

    def _merge(self, entries: dict[str, Entry], merges: list[tuple[Location, Node]]) -> None:
        """Put in what the merge keys name: what stands there wins, then the first one named."""
        for mark, node in merges:
            for source in node.items if isinstance(node, NodeList) else [node]:
                if isinstance(source, NodeMap):
                    for key, entry in source.entries.items():
                        entries.setdefault(key, entry)
                elif not source.unknown:
                    self.problem("bad-merge", "'<<' takes a mapping or a list of mappings, such as *name", mark)
