from __future__ import annotations

import pytest

from runner.config import compose
from runner.plugin import default_plugins
from runner.validation import check


@pytest.fixture(scope="session")
def catalog():
    """What the development environment has installed: our own components and runner-vision's."""
    return default_plugins().catalog


@pytest.fixture
def problems_of(catalog):
    """The problems of a config given as text."""

    def find(text, overrides=(), **options):
        return check(compose("cfg.yaml", text=text, overrides=overrides), catalog, **options)

    return find
