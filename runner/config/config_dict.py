"""A mapping inside a `Config`: a dict whose keys are attributes too, and which knows where each value was set."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, closest, same
from runner.errors import Location

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ConfigDict",
    "caller",
    "convert",
    "edit_of",
    "entry_of",
    "missing_attribute",
    "node_of",
    "plain",
    "shown",
    "view",
]


class ConfigDict(dict[str, Any]):
    """A dict with attribute access.

    Values that a config's text holds keep their places; what Python code assigns has that code's file and line.
    """

    __slots__ = ("_edits", "_node")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        _attach(self, None)
        if args or kwargs:
            self.update(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise missing_attribute(type(self).__name__, name, self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise missing_attribute(type(self).__name__, name, self) from None

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a config's keys are texts, and {key!r} is a {type(key).__name__}")
        super().__setitem__(key, convert(value))
        self._edits[key] = caller()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several keys, as `dict.update` does."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:  # type: ignore[override,misc]  # dict's takes more
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Give the key's value, after setting it where it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> ConfigDict:
        """A copy that shares its values."""
        return restore(dict(self), self._node, dict(self._edits))

    def __copy__(self) -> ConfigDict:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> ConfigDict:
        from copy import deepcopy

        new = restore({}, self._node, dict(self._edits))
        memo[id(self)] = new
        for key, value in self.items():
            dict.__setitem__(new, key, deepcopy(value, memo))
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (dict(self), self._node, self._edits)

    def __repr__(self) -> str:
        return repr(shown(self))


def restore(items: dict[str, Any], node: NodeMap | None, edits: dict[str, Location] | None = None) -> ConfigDict:
    """Make a mapping of converted values that stood at a node."""
    new = ConfigDict()
    dict.update(new, items)
    _attach(new, node, edits)
    return new


def _attach(target: ConfigDict, node: NodeMap | None, edits: dict[str, Location] | None = None) -> None:
    object.__setattr__(target, "_node", node)
    object.__setattr__(target, "_edits", {} if edits is None else edits)


def convert(value: Any) -> Any:
    """Make config data of what Python code gives: mappings, lists, paths and NumPy's numbers become plain."""
    if isinstance(value, ConfigDict):
        return value
    if isinstance(value, Mapping):
        return ConfigDict(value)
    if isinstance(value, list | tuple):
        return [convert(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def plain(value: Any) -> Any:
    """Plain dicts and lists of a config's values."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return convert(value)


def shown(value: Any, node: Node | None = None, environment: Mapping[str, str | None] | None = None) -> Any:
    """As `plain`, with the reference in place of whatever the environment brought in.

    Args:
        value: A config's value.
        node: The node that stood there in the text.
        environment: Which variables are set: `(set)` or `(default)` is then added to each reference.
    """
    if isinstance(value, ConfigDict):
        return {key: shown(item, _child(value, key), environment) for key, item in value.items()}
    if isinstance(value, list):
        below = node.items if isinstance(node, NodeList) else []
        nodes = [*below[: len(value)], *[None] * (len(value) - len(below))]
        return [shown(item, child, environment) for item, child in zip(value, nodes, strict=True)]
    if not (isinstance(node, Scalar) and node.pinned is not None and same(value, node.value)):
        return plain(value)
    if environment is None:
        return node.pinned
    first = node.pinned[node.pinned.find("${env:") + 6 :].replace(",", "}").partition("}")[0]
    return f"{node.pinned} ({'default' if environment.get(first) is None else 'set'})"


def _child(owner: ConfigDict, key: str) -> Node | None:
    entry = entry_of(owner, key)
    return entry.node if entry else None


def entry_of(owner: ConfigDict, key: str) -> Entry | None:
    """The entry that a key had in the config's text, unless Python code has set the key since."""
    node: NodeMap | None = owner._node  # noqa: SLF001 - the class keeps its attributes free for keys
    edits: dict[str, Location] = owner._edits  # noqa: SLF001 - as above
    return None if node is None or key in edits else node.entries.get(key)


def node_of(owner: ConfigDict) -> NodeMap | None:
    """The node that a mapping was made of."""
    node: NodeMap | None = owner._node  # noqa: SLF001 - as above
    return node


def edit_of(owner: ConfigDict, key: str) -> Location | None:
    """Where Python code set a key."""
    edits: dict[str, Location] = owner._edits  # noqa: SLF001 - as above
    return edits.get(key)


def view(node: Node) -> Any:
    """The values that a config shows of a resolved tree."""
    if isinstance(node, NodeMap):
        return restore({key: view(entry.node) for key, entry in node.entries.items()}, node)
    if isinstance(node, NodeList):
        return [view(item) for item in node.items]
    return node.value


def caller() -> Location:
    """The line of code outside this package that changes a config."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect's way to it takes ten milliseconds to import
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame = frame.f_back
    return Location(file=frame.f_code.co_filename, line=max(frame.f_lineno, 1), column=1, kind="code")


_OWN = ("runner.config", "_collections_abc", "collections.abc", "copy")


def missing_attribute(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for an attribute that is no key."""
    suggestion = closest(name, list(known))
    hint = f"; did you mean '{suggestion}'?" if suggestion else ""
    return AttributeError(f"'{owner}' has no key '{name}'{hint}", name=name)
