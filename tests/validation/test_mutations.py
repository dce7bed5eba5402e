"""A sample of the mistakes that `mutations.py` makes of the examples: each is reported, where it was made."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

SAMPLE = 400

_SPEC = importlib.util.spec_from_file_location("mutations", Path(__file__).with_name("mutations.py"))
mutations = importlib.util.module_from_spec(_SPEC)
sys.modules["mutations"] = mutations  # dataclasses look their module up
_SPEC.loader.exec_module(mutations)


@pytest.fixture(scope="module")
def every():
    return mutations.mutations()


def test_no_unmutated_config_has_a_problem():
    assert mutations.unmutated() == []


def test_mutations(every, capsys):
    figures = mutations.Figures(map(mutations.judge, random.Random(0).sample(every, SAMPLE)))
    with capsys.disabled():
        sys.stdout.write(f"\n{SAMPLE} of {len(every)} mutations\n{figures.table()}\n")
    assert [str(verdict) for verdict in figures.failures] == []
    assert figures.suggested >= 0.95
    assert figures.alone >= 0.85


def test_there_are_thousands_and_a_twentieth_in_each_region(every):
    assert len(every) >= 5000
    for region, share in mutations.shares(every).items():
        assert share >= 0.05, region
    assert len(mutations.UNSEEN) <= 10


def test_a_field_under_vars_is_a_warning_unless_it_is_read(problems_of):
    text = "model: {type: ToyModel}\nvars:\n  randomness: {seed: 1}\n  work_dir: out\n  log_level: ${vars.work_dir}x\n"
    strays = [problem for problem in problems_of(text) if problem.path.startswith("vars.")]
    assert [(problem.path, problem.severity, problem.origin.line) for problem in strays] == [
        ("vars.randomness", "warning", 3),
        ("vars.log_level", "warning", 5),
    ]
