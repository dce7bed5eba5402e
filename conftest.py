"""What one test leaves behind in the process is taken away before the next one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from runner.plugin import PROCESS_ENTRIES


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Registered classes, folders on `sys.path`, and what was imported from them: a config's own code leaves all three."""
    entries, path, modules = list(PROCESS_ENTRIES), list(sys.path), set(sys.modules)
    yield
    PROCESS_ENTRIES[:] = entries
    added = tuple(f"{folder}/" for folder in sys.path if folder not in path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if added and file is not None and file.startswith(added):
            del sys.modules[name]
