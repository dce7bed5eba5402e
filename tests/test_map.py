"""The map of the house, in the docstring of `runner`, names every package and module that there is."""

from __future__ import annotations

import re
from pathlib import Path

import runner

FOLDER = Path(runner.__file__).parent


def test_the_map_names_what_there_is_and_nothing_else():
    there = {file.parent.name for file in FOLDER.glob("*/__init__.py")} | {file.stem for file in FOLDER.glob("*.py")}
    named = set(re.findall(r"`([a-z_]+)`", runner.__doc__ or ""))
    assert named == {name for name in there if not name.startswith("__")}
