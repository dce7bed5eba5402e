"""A config's files and overrides -> plain data, its places, and all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runner.config.bases import FileReader
from runner.config.interpolate import Resolver
from runner.config.marks import Marks
from runner.config.nodes import Node, iterate, to_plain
from runner.config.overrides import COMMAND_LINE, apply_overrides, apply_unset
from runner.errors import Location, Problem
from runner.errors import Path as ConfigPath
from runner.masking import remember

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Composition", "compose", "compose_tree"]

_LONGEST_MESSAGE = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What a config says, with everything joined and resolved.

    Attributes:
        filename: The config's own file, as it was given.
        data: Plain data, `${…}` resolved. What the environment brought in stands there in clear.
        raw: The same with `${…}` as written, which is what a dump writes.
        problems: What is wrong with the text, in the order of its places.
        marks: The place of each key and value; of kind "environment" where the environment has a part in the value.
        sources: The text of each file by name, and the overrides under `<command line>`, for excerpts.
        environment: The variables that `${env:…}` asked for; None for those that are not set.
        unresolved: Paths whose values are not known since a problem stands there; `data` holds None, and nothing
            more should be said about them.
        whole: Whether all files could be read; where not, what seems to be missing may stand in the rest.
        tree: `raw` with its places.
        resolved: `data` with its places.
    """

    filename: str
    data: dict[str, Any] = field(repr=False)
    raw: dict[str, Any] = field(repr=False)
    problems: list[Problem]
    marks: Marks = field(repr=False)
    sources: dict[str, str] = field(repr=False)
    environment: dict[str, str | None] = field(repr=False)
    unresolved: frozenset[ConfigPath]
    whole: bool
    tree: Node = field(repr=False)
    resolved: Node = field(repr=False)


def compose(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    unset: Sequence[str] = (),
    find_package: Callable[[str], Path | None] | None = None,
    environ: Mapping[str, str] | None = None,
    text: str | None = None,
    file_format: str | None = None,
) -> Composition:
    """Compose a config. Whatever is wrong with it is in the result's problems, and nothing is raised.

    Args:
        source: The file, or the name to show for `text`. `_base_` is relative to it.
        overrides: Changes such as `a.b=1`, in order, with YAML values.
        unset: Keys to take out, which happens before the overrides are put in.
        find_package: Gives the folder of configs that an installed package ships, for `package::path`.
        environ: What `${env:…}` reads; by default the process's environment.
        text: The config's text, in place of the file's.
        file_format: ".yaml" or ".json"; by default what the file's name says.
    """
    name = os.fspath(source)
    reader = FileReader(find_package)
    suffix = file_format if file_format is not None else os.path.splitext(name)[1]  # noqa: PTH122 - a text in
    tree: Node = reader.read(name, text, json=suffix.lower() in {".json", "json"})
    if overrides or unset:
        lines = [*overrides, *unset]
        reader.sources[COMMAND_LINE] = "\n".join(" ".join(line.splitlines()) for line in lines)
        tree = apply_unset(tree, unset, len(overrides) + 1, reader.problems)
        tree = apply_overrides(tree, overrides, reader.problems)
    return compose_tree(
        tree,
        filename=name,
        problems=reader.problems,
        sources=reader.sources,
        environ=os.environ if environ is None else environ,
        whole=reader.whole,
    )


def compose_tree(
    tree: Node,
    *,
    filename: str,
    problems: Sequence[Problem],
    sources: dict[str, str],
    environ: Mapping[str, str],
    whole: bool,
) -> Composition:
    """Resolve a tree that is put together."""
    resolver = Resolver(tree, environ)
    resolved = resolver.resolve()
    remember(resolver.used)
    found = [_clipped(problem) for problem in [*problems, *resolver.problems]]
    found.sort(key=lambda problem: _order(problem.origin))
    return Composition(
        filename=filename,
        data=to_plain(resolved),
        raw=to_plain(tree),
        problems=found,
        marks=Marks(resolved, Location(file=filename, line=1, column=1)),
        sources=sources,
        environment=resolver.used,
        unresolved=frozenset(path for path, node in iterate(resolved) if node.unknown),
        whole=whole,
        tree=tree,
        resolved=resolved,
    )


def _clipped(problem: Problem) -> Problem:
    """Keep a hostile text's endless names out of what is shown."""
    if len(problem.message) <= _LONGEST_MESSAGE and len(problem.path) <= _LONGEST_MESSAGE:
        return problem
    return replace(problem, message=_clip(problem.message), path=_clip(problem.path))


def _clip(text: str) -> str:
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:half]} … {text[-half:]}"


def _order(mark: Location | None) -> tuple[str, int, int]:
    return (mark.file, mark.line, mark.column) if mark else ("", 0, 0)
