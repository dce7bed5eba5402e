"""The example on a rule's page has the problem that the page is about, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.config import compose
from runner.validation import check, explain, rules
from runner.validation.rules import RULES

CODE = re.compile(r"\"([a-z]+(?:-[a-z]+)+)\"")
CALL = re.compile(r"context\.problem\(\s*\"([a-z]+(?:-[a-z]+)+)\"")
SOURCES = Path(rules.__file__).parent
CODES = sorted({code for file in SOURCES.glob("*.py") for code in CALL.findall(file.read_text())})


def test_every_rule_is_registered():
    written = {
        name
        for file in SOURCES.glob("*.py")
        for name in re.findall(
            r"^def ([a-z]\w+)\(context: Context\) -> Iterator\[Problem\]", file.read_text(), re.MULTILINE
        )
    }
    assert {rule.__name__ for rule in RULES} == written
    assert len(CODES) >= 24


@pytest.mark.parametrize("code", CODES)
def test_the_example_has_just_that_problem(code, catalog, complete):
    (example,) = re.findall(r"```yaml\n(.*?)```", explain(code), re.DOTALL)
    whole = example if "model:" in example else complete(example)
    problems = check(compose("cfg.yaml", text=whole), catalog, device="cpu" if "--device cpu" in example else None)
    assert {problem.code for problem in problems} == {code}
    assert all(problem.origin.line <= example.count("\n") for problem in problems)
