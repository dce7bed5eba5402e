"""Which files are meant by the names that a command is given: files, folders, patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from runner.config.document import MAX_BYTES, Origin, read_document
from runner.config.nodes import NodeMap, closest, find

__all__ = ["Found", "find_configs", "is_config"]

_SUFFIXES = (".yaml", ".yml", ".json")
_MARKS = ("model", "_base_")
"""What a config has at its top, one or the other; a file with neither is a part for others to build on, or no config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files that names stand for.

    Attributes:
        files: The configs, each once, in the order of the names.
        skipped: Files that were looked at, and are no configs.
        empty: Folders and patterns without a config.
        several: Whether more than one file was asked for.
    """

    files: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    several: bool = False


def find_configs(
    names: Sequence[str], known: Collection[str], *, skip_others: bool = False, parts: bool = False
) -> Found:
    """Look for the files that names stand for.

    A file is taken as it is. In a folder and everything below it, and of what a pattern (`*`, `?`, `[…]`, `**`) fits,
    it is the files that end in .yaml, .yml or .json and are configs; hidden ones are not looked at.

    Args:
        names: Files, folders and patterns.
        known: The fields that configs have at their top.
        skip_others: Skip files that are no configs also where they are named.
        parts: Take parts too: files with nothing but fields at their top, for others to build on.
    """
    files: dict[str, str] = {}  # by their real paths, so that each is there once
    skipped: dict[str, str] = {}
    empty: list[str] = []
    for name in names:
        below = _below(name)
        if below is None and not (skip_others and os.path.isfile(name)):  # noqa: PTH113 - as in `_below`
            files.setdefault(os.path.realpath(name), name)
            continue
        before = len(files)
        for file in below if below is not None else [name]:
            kept = files if is_config(file, known, parts=parts) else skipped
            kept.setdefault(os.path.realpath(file), file)
        if below is not None and len(files) == before and not any(os.path.realpath(file) in files for file in below):
            empty.append(name)
    others = [file for real, file in skipped.items() if real not in files]
    several = len(names) > 1 or len(files) != 1 or bool(others)
    return Found(files=list(files.values()), skipped=others, empty=empty, several=several)


def is_config(file: str, known: Collection[str], *, parts: bool = False) -> bool:
    """Whether a file is a config: it has `model` or `_base_` at its top.

    One of them misspelt counts where the file has other fields of a config, or a component under that key.

    Args:
        file: A YAML or JSON file.
        known: The fields that configs have at their top.
        parts: Say yes to a part too: a file with nothing but fields at its top.
    """
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - the name is a text
            text = stream.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return True  # to be reported as what it is
    if re.search(r"""(?m)^(["']?)(?:model|_base_)\1\s*:""", text):
        return True
    root = read_document(text, Origin(file), json=file.lower().endswith(".json")).root
    if not isinstance(root, NodeMap):
        return False
    keys = root.entries
    near = [key for key in keys if key not in known and closest(key, _MARKS)]
    sure = any(key in _MARKS for key in keys) or (parts and bool(keys) and all(key in known for key in keys))
    return sure or (bool(near) and any(key in known or find(root, (key, "type")) is not None for key in keys))


def _below(name: str) -> list[str] | None:
    """The files of a folder, or those that fit a pattern; None for the name of a file."""
    if os.path.isdir(name):  # noqa: PTH112 - names keep the form that they were given in
        return list(_files(name))
    if os.path.lexists(name) or not glob.has_magic(name):
        return None
    found: list[str] = []
    for match in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - as above
        if os.path.isdir(match):  # noqa: PTH112 - as above
            found += _files(match)
        elif match.lower().endswith(_SUFFIXES):
            found.append(match)
    return found


def _files(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                yield os.path.normpath(os.path.join(path, name))  # noqa: PTH118 - as above
