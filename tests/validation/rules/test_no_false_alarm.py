"""Configs in use have no problem, not even one that is only suspicious."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config import compose
from runner.validation import check

ROOT = Path(__file__).parent.parent.parent.parent
IN_USE = sorted([*(ROOT / "examples").glob("*/*.yaml"), ROOT / "benchmarks" / "startup.yaml"])


@pytest.mark.parametrize("file", IN_USE, ids=lambda file: file.stem)
def test_an_example_has_no_problem(file, catalog):
    assert check(compose(file), catalog) == []


def test_there_are_examples():
    assert len(IN_USE) >= 6


def test_the_least_run_has_no_problem(found):
    assert found("") == []
