"""Names of files that a config gives: what is written for a run stays in its work directory.

Other places are named by arguments that are there for it, such as `out_dir`; docs/running.md lists them.
"""

from __future__ import annotations

import re
import string
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from runner.errors import BuildError

__all__ = ["leads_out", "numbers_files", "stay_inside"]

_NUMBERS: Final = (0, 1, 2, 9, 10, 11, 47, 99, 100, 101, 999, 1000, 12_345_678, 12_345_679)
"""Of epochs and iterations, by which a template is tried; 47 is a slash where numbers become characters."""
_TOO_WIDE: Final = re.compile(r"\d{4}")


def leads_out(name: str) -> bool:
    """Whether a name, taken below some folder, means a place that is not in it; on whatever system."""
    windows = PureWindowsPath(name)
    return (
        name.startswith(("~", "/", "\\"))
        or "\0" in name
        or ".." in PurePosixPath(name).parts
        or ".." in windows.parts
        or bool(windows.drive)
    )


def numbers_files(template: str) -> bool:
    """Whether `str.format` makes of a template and a number the name of a file, and of another number another.

    Args:
        template: `epoch_{}.pth`, `e_{:03d}.pth`, ….
    """
    try:
        fields = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None]
        if any(name not in {"", "0"} or _TOO_WIDE.search(spec) for name, spec in fields):
            return False
        names = [template.format(number) for number in _NUMBERS]
    except (ValueError, LookupError, TypeError, OverflowError):
        return False
    return len(set(names)) == len(names) and all(
        not leads_out(name) and PurePosixPath(name).name == PureWindowsPath(name).name == name for name in names
    )


def stay_inside(owner: str, parameter: str, name: str) -> str:
    """Return a name that stays in its folder.

    Args:
        owner: The component, for the error.
        parameter: Its argument, for the error.
        name: What that is.

    Raises:
        BuildError: It leads out.
    """
    if leads_out(name):
        raise BuildError(
            f"{owner}: {parameter} is {name!r}, which leads out of the run's own folder; give a name, or a path below it"
        )
    return name
