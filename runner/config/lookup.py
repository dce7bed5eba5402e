"""Finds a part of a composed config by the path that a person wrote."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config.compose import Composition
from runner.config.nodes import Node, NodeList, NodeMap, child_of, closest
from runner.config.paths import split_path
from runner.errors import ConfigError, Path, Problem

__all__ = ["locate"]


def locate(composition: Composition, text: str) -> Path:
    """The path of an existing value; a key that holds dots needs no quotes where it is plain what is meant.

    Raises:
        ConfigError: There is no such value; it says what was probably meant.
    """
    try:
        names = [part.name for part in split_path(text)[0]]
    except ValueError as error:
        raise _unknown(composition, (), text, str(error), None) from error
    found = _follow(composition.resolved, names)
    if found is not None:
        return found
    node = composition.resolved
    path: Path = ()
    for name in names:
        child = child_of(node, name)
        if child is None:
            raise _missing(composition, node, path, text, name)
        path = (*path, int(name) if isinstance(node, NodeList) else name)
        node = child
    return path


def _follow(node: Node, names: Sequence[str]) -> Path | None:
    if not names:
        return ()
    for end in range(1, len(names) + 1):
        name = ".".join(names[:end])
        child = child_of(node, name)
        rest = None if child is None else _follow(child, names[end:])
        if rest is not None:
            return (int(name) if isinstance(node, NodeList) else name, *rest)
    return None


def _missing(composition: Composition, node: Node, path: Path, text: str, name: str) -> ConfigError:
    if isinstance(node, NodeMap):
        near = closest(name, list(node.entries))
        listed = ", ".join(list(node.entries)[:20]) or "no keys"
        hint = f"did you mean '{near}'?" if near else f"there are {listed}"
        return _unknown(composition, path, text, f"there is no '{name}' here; {hint}", near)
    holds = f"a list of {len(node.items)} items" if isinstance(node, NodeList) else "a single value"
    return _unknown(composition, path, text, f"there is no '{name}' in {holds}", None)


def _unknown(composition: Composition, path: Path, text: str, message: str, suggestion: str | None) -> ConfigError:
    origin = composition.marks.key_at(path)
    return ConfigError([Problem(code="unknown-key", path=text, message=message, origin=origin, suggestion=suggestion)])
