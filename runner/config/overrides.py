"""The command line's changes to a config: `-o a.b=1`, whose value is YAML, and `--unset a.b`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.config.builder import MAX_DEPTH
from runner.config.document import Origin, read_document
from runner.config.merge import merge
from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, child_of, closest, replace_at
from runner.config.paths import Part, split_path
from runner.errors import Location, Path, Problem, dotted

__all__ = ["COMMAND_LINE", "BadOverride", "apply_overrides", "apply_unset", "put"]

COMMAND_LINE = "<command line>"


class BadOverride(Exception):  # noqa: N818 - it carries a problem and never leaves this package
    """A change that does not fit the config.

    Attributes:
        part: Which part of its path is at fault.
        suggestion: The key that was probably meant.
    """

    def __init__(self, message: str, part: int, suggestion: str | None = None) -> None:
        self.part = part
        self.suggestion = suggestion
        super().__init__(message)


def apply_overrides(root: Node, overrides: Sequence[str], problems: list[Problem]) -> Node:
    """Put each override in, later ones over earlier ones; each acts as one more file on top would.

    Args:
        root: The config.
        overrides: Texts such as `a.b=1`.
        problems: Where mistakes go.
    """
    for line, text in enumerate(overrides, 1):
        read = _read(text, line, problems)
        if read is None:
            continue
        parts, value = read
        path = tuple(part.name for part in parts)
        marks = [_mark(part, line) for part in parts]
        try:
            root = put(root, path, marks, value)
        except BadOverride as bad:
            problems.append(_problem("bad-override", path, str(bad), marks[bad.part], bad.suggestion))
    return root


def apply_unset(root: Node, keys: Sequence[str], first_line: int, problems: list[Problem]) -> Node:
    """Take keys out; indices are those of the list before anything is taken out.

    Args:
        root: The config.
        keys: Paths such as `a.b`.
        first_line: The line of the command line that shows the first of them.
        problems: Where mistakes go.
    """
    found: set[Path] = set()
    for line, text in enumerate(keys, first_line):
        parts = _path(text, line, problems, "write the key alone")
        if parts is None:
            continue
        path: Path = ()
        node = root
        for part in parts:
            child = child_of(node, part.name)
            if child is None:
                known = closest(part.name, list(node.entries)) if isinstance(node, NodeMap) else None
                hint = f"; did you mean '{known}'?" if known else ""
                message = f"there is nothing to unset, '{dotted(path) or 'the config'}' has no '{part.name}'{hint}"
                problems.append(_problem("unknown-key", (*path, part.name), message, _mark(part, line), known))
                break
            path, node = (*path, int(part.name) if isinstance(node, NodeList) else part.name), child
        else:
            found.add(path)
    # From the back, so that the indices still to come stay what they were, and inner ones before outer ones.
    for path in sorted(found, key=lambda path: [(isinstance(part, int), part) for part in path], reverse=True):
        root = replace_at(root, path, None)
    return root


def put(root: Node, path: Path, marks: Sequence[Location], value: Node) -> Node:
    """Put a value in, making the mappings on the way that are not there.

    Args:
        root: The config.
        path: Where.
        marks: The place of each part of the path.
        value: What; a mapping merges with the one that is there.

    Raises:
        BadOverride: The path leads through a value that has no keys, or past the end of a list.
    """
    node = root
    trail: Path = ()
    for index, part in enumerate(path):
        child = child_of(node, part)
        if isinstance(node, NodeList) and child is None:
            size = len(node.items)
            hint = f"has {size} items, numbered from 0 to {size - 1}" if size else "is empty"
            raise BadOverride(f"the list '{dotted(trail)}' {hint}; '{part}' is none of them", index)
        trail = (*trail, int(part) if isinstance(node, NodeList) else str(part))
        last = index == len(path) - 1
        if last:
            return replace_at(root, trail, Entry(marks[index], value if child is None else merge(child, value)))
        if child is None or (isinstance(child, Scalar) and child.value is None):
            for key, mark in zip(reversed(path[index + 1 :]), reversed(marks[index + 1 :]), strict=True):
                value = NodeMap({str(key): Entry(mark, value)}, mark)
            return replace_at(root, trail, Entry(marks[index], value))
        if isinstance(child, Scalar):
            raise BadOverride(_through_scalar(child, trail), index + 1)
        node = child
    raise BadOverride("the path is empty", 0)


def _through_scalar(node: Scalar, path: Path) -> str:
    name = dotted(path)
    if isinstance(node.value, str) and node.value.startswith("${"):
        return f"'{name}' stands for {node.value}; change what that names instead"
    return f"'{name}' is a single value, so it has no keys to set; set '{name}' itself"


def _read(text: str, line: int, problems: list[Problem]) -> tuple[list[Part], Node] | None:
    parts = _path(text, line, problems, "write KEY=VALUE", value=True)
    if parts is None:
        return None
    start = parts[-1].offset + parts[-1].width
    start = text.index("=", start) + 1
    document = read_document(text[start:], Origin(COMMAND_LINE, "override", line, start))
    prefix = dotted(tuple(part.name for part in parts))
    for problem in document.problems:
        path = f"{prefix}.{problem.path}" if problem.path else prefix
        problems.append(replace(problem, path=path))
    if not document.whole:
        return None
    if document.root is None:
        mark = Location(file=COMMAND_LINE, line=line, column=start + 1, kind="override")
        return parts, Scalar(None, mark)
    return parts, document.root


def _path(text: str, line: int, problems: list[Problem], advice: str, *, value: bool = False) -> list[Part] | None:
    try:
        parts, end = split_path(text)
    except ValueError as error:
        fault = str(error)
    else:
        if len(parts) > MAX_DEPTH:
            fault = f"a path has at most {MAX_DEPTH} parts"
        elif (end < len(text)) is not value:
            fault = "the '=' is missing" if value else "there is an '=' where none belongs"
        else:
            return parts
    mark = Location(file=COMMAND_LINE, line=line, column=1, width=max(len(text), 1), kind="override")
    problems.append(_problem("bad-override", (), f"{fault}; {advice}", mark, None))
    return None


def _mark(part: Part, line: int) -> Location:
    return Location(file=COMMAND_LINE, line=line, column=part.offset + 1, width=part.width, kind="override")


def _problem(code: str, path: Path, message: str, mark: Location, suggestion: str | None) -> Problem:
    return Problem(code=code, path=dotted(path), message=message, origin=mark, suggestion=suggestion)
