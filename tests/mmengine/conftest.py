"""Tests that hold our numbers against MMEngine's own, running beside; they are skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator

import pytest

if importlib.util.find_spec("mmengine") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as below, of what its modules say when they are first imported
        import mmengine.runner  # noqa: F401


@pytest.fixture(autouse=True)
def _unmaintained() -> Iterator[None]:
    """MMEngine warns of what newer Pythons and torches no longer like; that is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(autouse=True)
def _own_loggers() -> Iterator[None]:
    """A run of MMEngine's leaves a global logger with a closed file behind, which its modules would write to."""
    yield
    if "mmengine.logging" in sys.modules:
        sys.modules["mmengine.logging"].MMLogger._instance_dict.clear()
