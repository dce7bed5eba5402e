"""Reads a config's file and the ones that it builds on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.config.builder import MAX_VALUES
from runner.config.document import MAX_BYTES, Origin, read_document, too_large
from runner.config.merge import join_siblings, merge
from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, closest, iterate
from runner.errors import Location, Problem, dotted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileReader"]

_MOST_FILES = 100
_LONGEST_CHAIN = 32


class FileReader:
    """Reads files, each one once.

    Args:
        find_package: Gives the folder of configs that an installed package ships.

    Attributes:
        problems: What is wrong with what was read.
        sources: The text of each file by its name.
        whole: Whether everything could be read to its end.
    """

    def __init__(self, find_package: Callable[[str], Path | None] | None) -> None:
        self.problems: list[Problem] = []
        self.sources: dict[str, str] = {}
        self.whole = True
        self._find_package = find_package
        self._done: dict[str, NodeMap | None] = {}
        self._open: list[tuple[str, str]] = []  # the real paths and names of the files that are being read
        self._values = 0

    def read(self, name: str, text: str | None, *, json: bool) -> NodeMap:
        """Read the config's own file, or its text where it is given."""
        top = Location(file=name, line=1, column=1)
        if text is None:
            text = self._text(name, top, "missing-file")
        root = None if text is None else self._compose(name, os.path.realpath(name), text, json=json)
        return NodeMap({}, top, unknown=True) if root is None else root

    def _problem(self, code: str, message: str, mark: Location, path: str = "", suggestion: str | None = None) -> None:
        self.problems.append(Problem(code=code, path=path, message=message, origin=mark, suggestion=suggestion))

    def _text(self, name: str, mark: Location, code: str, path: str = "") -> str | None:
        """Read a file's text; `mark` and `path` are those of who asks for it."""
        self.whole = False
        try:
            with open(name, "rb") as file:  # noqa: PTH123 - the name is a text, and stays the one that was given
                size = os.fstat(file.fileno()).st_size
                data = file.read(MAX_BYTES + 1) if size <= MAX_BYTES else b""
        except (FileNotFoundError, NotADirectoryError):
            known = _similar(name)
            hint = f"; did you mean '{known}'?" if known else ""
            self._problem(code, f"there is no file '{name}'{hint}", mark, path, known)
            return None
        except (OSError, ValueError) as error:
            reason = (
                "it is a folder" if isinstance(error, IsADirectoryError) else getattr(error, "strerror", None) or error
            )
            self._problem("unreadable-file", f"'{name[:200]}' cannot be read: {reason}", mark, path)
            return None
        if max(size, len(data)) > MAX_BYTES:
            self.problems.append(too_large(name, max(size, len(data))))
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8", "replace")
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
            self._problem("not-utf8", message, Location(file=name, line=line, column=column))
            return None
        self.whole = True
        return text

    def _compose(self, name: str, real: str, text: str, *, json: bool) -> NodeMap | None:
        """Read a text with all that it builds on."""
        self.sources[name] = text
        if name.endswith(".py"):
            message = "a config is YAML or JSON, and this is Python, which would have to be run to be read; write the same as YAML"
            self._problem("python-config", message, Location(file=name, line=1, column=1))
            self.whole = False
            return None
        document = read_document(text, Origin(name), json=json)
        self.problems += document.problems
        self.whole = self.whole and document.whole
        if not document.whole:
            return None
        root = self._checked_root(document.root, name)
        if root is None:
            return None
        self._open.append((real, name))
        below = self._bases(root, name)
        self._open.pop()
        entries = {key: entry for key, entry in root.entries.items() if key != "_base_"}
        root = NodeMap(entries, root.mark, unknown=root.unknown)
        if below is None:
            return root
        merged = merge(below, root)
        assert isinstance(merged, NodeMap)
        return merged

    def _checked_root(self, root: Node | None, name: str) -> NodeMap | None:
        top = Location(file=name, line=1, column=1)
        if root is None or (isinstance(root, Scalar) and root.value is None and not root.unknown):
            self._problem("empty-config", "the file says nothing; a config is a mapping with keys such as 'model'", top)
        elif not isinstance(root, NodeMap):
            found = "a list" if isinstance(root, NodeList) else "a single value"
            message = f"a config is a mapping with keys such as 'model', and this is {found}"
            self._problem("not-a-mapping", message, root.mark)
        else:
            if root.replaces is not None:
                message = "at the top there is nothing to replace but the bases; leave '_base_' out instead"
                self._problem("bad-delete", message, root.replaces, "_delete_")
            self._values += sum(1 for _ in iterate(root))
            return root
        self.whole = False
        return None

    def _bases(self, root: NodeMap, name: str) -> NodeMap | None:
        """All the bases of a file, laid together."""
        entry = root.entries.get("_base_")
        if entry is None:
            return None
        joined: NodeMap | None = None
        for item, path in _base_items(entry):
            if not isinstance(item, Scalar) or not isinstance(item.value, str) or not item.value or item.unknown:
                message = "'_base_' takes a path, 'package::path' or a list of them"
                self._bad(("bad-base", message), item, path)
                continue
            base = self._base(item, item.value, name, path)
            if base is not None:
                joined = base if joined is None else join_siblings(joined, base, self.problems)
        return joined

    def _bad(self, problem: tuple[str, str], item: Node, path: str) -> None:
        self._problem(problem[0], problem[1], item.mark, path)
        self.whole = False

    def _base(self, item: Scalar, text: str, name: str, path: str) -> NodeMap | None:
        target = self._locate(item, text, name, path)
        if target is None:
            return None
        real = os.path.realpath(target)
        names = [opened for opened, _ in self._open]
        if real in names:
            chain = " -> ".join([*(shown for _, shown in self._open[names.index(real) :]), target])
            self._bad(("base-cycle", f"the files build on one another in a circle: {chain}"), item, path)
            return None
        if real in self._done:
            return self._done[real]
        if len(self._done) >= _MOST_FILES or len(self._open) >= _LONGEST_CHAIN or self._values > MAX_VALUES:
            message = (
                f"too much is built on: at most {_MOST_FILES} files, {_LONGEST_CHAIN} of them one upon the other, "
                f"with {MAX_VALUES:,} values together"
            )
            self._bad(("too-large", message), item, path)
            return None
        content = self._text(target, item.mark, "base-not-found", path)
        base = None if content is None else self._compose(target, real, content, json=target.endswith(".json"))
        self._done[real] = base
        return base

    def _locate(self, item: Scalar, text: str, name: str, path: str) -> str | None:
        """The file that an item of `_base_` names."""
        if "${" in text:
            message = "'_base_' is read before there are values to put in, so it takes no '${…}'"
            self._bad(("bad-base", message), item, path)
            return None
        package, separator, inner = text.partition("::")
        if not separator:
            return os.path.normpath(os.path.join(os.path.dirname(name), text))  # noqa: PTH118, PTH120 - keeps the form
        folder = self._find_package(package) if self._find_package is not None else None
        if folder is None:
            message = f"no installed package '{package}' offers configs; install the plugin that ships them"
            self._bad(("base-not-found", message), item, path)
            return None
        target = os.path.normpath(os.path.join(folder, inner))  # noqa: PTH118 - as above
        if os.path.commonpath([os.path.realpath(folder), os.path.realpath(target)]) != os.path.realpath(folder):
            message = f"'{inner}' lies outside the configs that '{package}' offers"
            self._bad(("bad-base", message), item, path)
            return None
        return target


def _base_items(entry: Entry) -> list[tuple[Node, str]]:
    if isinstance(entry.node, NodeList):
        return [(item, dotted(("_base_", index))) for index, item in enumerate(entry.node.items)]
    return [(entry.node, "_base_")]


def _similar(name: str) -> str | None:
    """The file in the same folder that was probably meant."""
    folder, base = os.path.split(name)
    try:
        names = sorted(os.listdir(folder or "."))[:1000]  # noqa: PTH208 - names are all that is needed
    except (OSError, ValueError):
        return None
    known = closest(base, [other for other in names if other.endswith((".yaml", ".yml", ".json"))])
    return os.path.join(folder, known) if known else None  # noqa: PTH118 - keeps the form of the name
