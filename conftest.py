"""What one test leaves behind in the process is taken away before the next one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from runner.plugin import PROCESS_ENTRIES


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Registered classes, folders on `sys.path`, and what was imported from them: a config's own code leaves all three."""
    entries, path, modules = list(PROCESS_ENTRIES), list(sys.path), set(sys.modules)
    yield
    PROCESS_ENTRIES[:] = entries
    sys.path[:] = path
    gone = {name for name in set(sys.modules) - modules if "." not in name and not _stays(sys.modules[name], path)}
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in gone:
            del sys.modules[name]


def _stays(module: ModuleType, path: list[str]) -> bool:
    """Whether a top-level module could be imported again from where it came from."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    place = Path(file)
    folder = place.parents[1] if place.name.startswith("__init__.") else place.parent
    return str(folder) in path or folder.name == "lib-dynload"
