"""Reads back what all launches in a work directory logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["read_scalars"]

_FILE = "vis_data/scalars.json"


def read_scalars(work_dir: str | Path) -> list[dict[str, Any]]:
    """The scalars of a run, merged over its launches.

    Where a resumed launch logged a step again, its values hold.

    Args:
        work_dir: The work directory, with one folder per launch.

    Returns:
        One mapping per mode and step: those of training (`mode` is `train`) and of validation (`val`) in the order of
        their steps, and else as they were logged. A line that a kill cut off is left out.

    Raises:
        FileNotFoundError: There are no scalars in that directory.
    """
    files = sorted(Path(work_dir).glob(f"*/{_FILE}"))
    if not files:
        raise FileNotFoundError(f"{work_dir}: no {_FILE} in any of its folders; is it a work directory?")
    merged: dict[tuple[str, int], dict[str, Any]] = {}
    for file in files:
        launch: dict[tuple[str, int], dict[str, Any]] = {}
        for line in _lines(file):
            key = (_mode(line), int(line.get("step", 0)))
            launch[key] = {**launch.get(key, {}), **line}
        merged.update(launch)
    return [{"mode": mode, **line} for (mode, _), line in sorted(merged.items(), key=lambda item: item[0])]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as stream:
        for text in stream:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:  # cut off by a kill
                continue
            if isinstance(line, dict):
                yield line


def _mode(line: dict[str, Any]) -> str:
    """Lines of training hold the iteration, those of validation do not."""
    return "train" if "iter" in line else "val"
