"""Where a module's file lies: top-level packages by `importlib`, which imports nothing, and below them by path."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TypeAlias

__all__ = ["Stamp", "find_module", "find_top", "stamp", "texts"]

Stamp: TypeAlias = tuple[int, int]
"""A file's modification time in ns and its size in bytes."""


def stamp(file: str) -> Stamp | None:
    """What tells whether a file has changed; None where it is gone."""
    try:
        found = os.stat(file)  # noqa: PTH116 - a Path costs more than the call, and this runs for each file of each record
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def find_top(name: str, paths: Sequence[str] = ()) -> list[str] | None:
    """Find a top-level package or module without importing it.

    Args:
        name: Its name, without dots.
        paths: Folders that come before `sys.path`.

    Returns:
        A package's folders, or the one file of a module; None where there is neither.
    """
    if name not in sys.stdlib_module_names:
        for folder in paths:
            found = _beside(os.path.join(folder, name))  # noqa: PTH118 - as in `stamp`
            if found is not None:
                return found
    if name == "__main__":
        file = getattr(sys.modules.get(name), "__file__", None)
        return [file] if file else None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        # A module that was put into sys.modules by hand has no spec.
        spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        return [os.fspath(folder) for folder in spec.submodule_search_locations] or None
    # Modules that are frozen into the interpreter have no location, but a file.
    file = spec.origin if spec.has_location else getattr(sys.modules.get(name), "__file__", None)
    return [file] if file else None


def _beside(stem: str) -> list[str] | None:
    if os.path.isdir(stem):  # noqa: PTH112 - as in `stamp`
        return [stem]
    for suffix in (".py", ".pyi"):
        if os.path.isfile(stem + suffix):  # noqa: PTH113 - as in `stamp`
            return [stem + suffix]
    return None


def find_module(name: str, paths: Sequence[str], roots: dict[str, list[str] | None]) -> list[str] | None:
    """Find a module by its dotted name.

    Args:
        name: The name.
        paths: Folders that come before `sys.path`.
        roots: Where top-level packages were found so far; added to.

    Returns:
        A package's folders, or the one file of a module; None where there is neither.
    """
    top, *parts = name.split(".")
    if top not in roots:
        roots[top] = find_top(top, paths)
    found = roots[top]
    for part in parts:
        stems = (os.path.join(folder, part) for folder in found or ())  # noqa: PTH118 - as in `stamp`
        found = next((inner for stem in stems if (inner := _beside(stem))), None)
    return found


def texts(place: str, *, stub: bool) -> Iterator[str]:
    """The files that may hold a module's text, its source before its stub."""
    suffixes = (".pyi",) if stub else (".py", ".pyi")
    if place.endswith((".py", ".pyi")):
        stem = place.rpartition(".")[0]
    elif os.path.isdir(place):  # noqa: PTH112 - as in `stamp`
        stem = os.path.join(place, "__init__")  # noqa: PTH118 - as in `stamp`
    else:  # an extension module: `_C.cpython-311-x86_64-linux-gnu.so`
        folder, file = os.path.split(place)
        stem = os.path.join(folder, file.partition(".")[0])  # noqa: PTH118 - as in `stamp`
    for suffix in suffixes:
        yield stem + suffix
