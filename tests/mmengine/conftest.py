"""Tests that hold our numbers against MMEngine's own, running beside; they are skipped where it is not installed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _unmaintained() -> Iterator[None]:
    """MMEngine warns of what newer Pythons and torches no longer like; that is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
