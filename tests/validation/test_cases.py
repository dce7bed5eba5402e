"""Configs in `tests/cases`: the valid ones have no problem, the invalid ones those that lie beside them as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config import compose
from runner.validation import check, render_json

CASES = Path(__file__).parent.parent / "cases"
VALID = sorted((CASES / "valid").glob("*.yaml"))
INVALID = sorted((CASES / "invalid").glob("*.yaml"))


def found(case, catalog):
    composition = compose(case.name, text=case.read_text())
    return render_json(check(composition, catalog))


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.stem)
def test_valid(case, catalog):
    assert found(case, catalog) == {"ok": True, "problems": []}


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.stem)
def test_invalid(case, catalog):
    golden = json.loads(case.with_suffix(".json").read_text())
    assert found(case, catalog) == golden
    assert golden["ok"] is False


def test_there_are_cases_of_both_sorts():
    assert len(VALID) >= 5
    assert len(INVALID) >= 15
    assert {file.stem for file in (CASES / "invalid").glob("*.json")} == {case.stem for case in INVALID}
