"""What a backend remembers of the launch whose curves it goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.config import Config, compose

__all__ = ["as_written", "earlier_folder", "remembered_folder"]


def remembered_folder(folder: Path) -> dict[str, str]:
    """Where a backend's folder is, in words that hold if the work directory is moved."""
    folder = folder.absolute()
    # work_dir/LAUNCH/vis_data
    return {"folder": str(folder), "within": Path(folder.parent.name, folder.name).as_posix()}


def earlier_folder(state: Any, folder: Path) -> tuple[Path | None, bool]:
    """Where an earlier launch's backend wrote.

    Args:
        state: What `remembered_folder` returned then.
        folder: The backend's folder now.

    Returns:
        The folder, None if it is gone; and whether it lies in the same work directory.
    """
    beside = folder.absolute().parents[1] / state["within"]
    if beside.exists():
        return beside, True
    there = Path(state["folder"])
    return (there if there.exists() else None), False


def as_written(config: Config) -> Any:
    """A config as plain data, with references in place of what the environment brought in, as it is dumped."""
    return compose("config.yaml", text=config.dump(), file_format=".yaml").raw
