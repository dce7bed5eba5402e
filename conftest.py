"""What one test leaves behind in the process is taken away before the next one; and in CI no test is left out in silence."""

from __future__ import annotations

import os
import re
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


EXCUSED = re.compile(
    r"(needs an? (CUDA )?(device|accelerator))|(there is an? .*(accelerator|GPU))"  # what this machine has, or lacks
    r"|syntax of Python 3\.\d+|reads /proc"
    r"|(mpirun|srun) is not installed"  # Debian's packages, which tests/launch/clusters.py brings
    r"|needs further packages|cannot be imported"  # others' components, whose own dependencies are not here
)
"""Reasons for which a test may be skipped in CI."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that left tests out for want of something that can be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", ()) if report.longrepr}
    unexcused = sorted(reason for reason in reasons if not EXCUSED.search(reason))
    if unexcused and session.exitstatus == 0:
        reporter.write_line(f"\nin CI no test may be skipped for this: {'; '.join(unexcused)}", red=True)
        session.exitstatus = 1
