"""Names of files that a config gives: what is written for a run stays in its work directory.

Other places are named by arguments that are there for it, such as `out_dir`; docs/running.md lists them.
"""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from runner.errors import BuildError

__all__ = ["leads_out", "stay_inside"]


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
