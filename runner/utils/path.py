"""Paths: what is in a folder, where a package lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from runner.signature.locate import find_top

__all__ = ["get_installed_path", "is_abs", "is_installed", "mkdir_or_exist", "scandir", "symlink"]


def mkdir_or_exist(dir_name: str | Path, mode: int = 0o777) -> None:
    """Make a folder, with those above it, where there is none; `~` is the user's own."""
    if dir_name:
        Path(dir_name).expanduser().mkdir(mode=mode, parents=True, exist_ok=True)


def symlink(src: str | Path, dst: str | Path, overwrite: bool = True, **kwargs: Any) -> None:
    """Make a link.

    Args:
        src: What it leads to.
        dst: The link.
        overwrite: Replace a file or link that has the name.
        **kwargs: For `os.symlink`.
    """
    if overwrite and os.path.lexists(dst):
        Path(dst).unlink()
    os.symlink(src, dst, **kwargs)  # noqa: PTH211 - the arguments are its own


def is_abs(path: str) -> bool:
    """Whether a path is absolute, or an address such as `https://…` or `s3://…`."""
    return Path(path).is_absolute() or path.startswith(("http://", "https://", "s3://"))


def scandir(
    dir_path: str | Path,
    suffix: str | tuple[str, ...] | None = None,
    recursive: bool = False,
    case_sensitive: bool = True,
) -> Iterator[str]:
    """The files of a folder, relative to it, in the order of names; those whose name begins with a dot are left out.

    Args:
        dir_path: The folder.
        suffix: Give only files that end so.
        recursive: Go into folders.
        case_sensitive: Whether the ending's case counts.
    """
    if not isinstance(dir_path, (str, Path)):
        raise TypeError(f"scandir: dir_path is a {type(dir_path).__name__}; it must be a text or a Path")
    if suffix is not None and not isinstance(suffix, (str, tuple)):
        raise TypeError(f"scandir: suffix is a {type(suffix).__name__}; it must be a text or a tuple of texts")
    endings = ("",) if suffix is None else (suffix,) if isinstance(suffix, str) else suffix
    if not case_sensitive:
        endings = tuple(each.lower() for each in endings)
    return _scanned(str(dir_path), "", endings, recursive, case_sensitive)


def _scanned(root: str, below: str, endings: tuple[str, ...], recursive: bool, case_sensitive: bool) -> Iterator[str]:
    with os.scandir(Path(root, below)) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        relative = os.path.join(below, entry.name)  # noqa: PTH118 - a text is given
        if not entry.name.startswith(".") and entry.is_file():
            if (relative if case_sensitive else relative.lower()).endswith(endings):
                yield relative
        elif recursive and entry.is_dir():
            yield from _scanned(root, relative, endings, recursive, case_sensitive)


def is_installed(package: str) -> bool:
    """Whether a distribution or a top-level package is installed; it is not imported.

    Args:
        package: Its name, as pip or as Python calls it.
    """
    try:
        distribution(package)
    except PackageNotFoundError:
        return package.isidentifier() and find_top(package) is not None
    return True


def get_installed_path(package: str) -> str:
    """The folder that a package lies in.

    Args:
        package: Its name, as pip or as Python calls it.

    Raises:
        PackageNotFoundError: It is not installed.
        RuntimeError: It is a namespace package, which has no folder of its own.
    """
    for module in _modules(package):
        places = find_top(module) or []
        for place in places:
            if place.endswith(".py"):
                return str(Path(place).parent)
            if Path(place, "__init__.py").exists():
                return place
        if places:
            raise RuntimeError(f"get_installed_path: {package} is a namespace package, which has no folder of its own")
    raise PackageNotFoundError(package)


def _modules(package: str) -> Iterator[str]:
    """The top-level packages that a name may mean."""
    if package.isidentifier():
        yield package
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return
    yield from (found.read_text("top_level.txt") or "").split()
    for file in found.files or ():
        if len(file.parts) == 2 and file.name == "__init__.py":
            yield file.parts[0]
