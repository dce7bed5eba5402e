"""Each code that a problem can have has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import runner
from runner.errors import RunnerError
from runner.validation import codes, explain

SOURCES = Path(runner.__file__).parent
CALLED = re.compile(
    r"""(?:code=|\.problem\(\s*|_problem\(\s*|_note\(\s*|_UnusableError\(\s*)"([a-z]+(?:-[a-z]+)+)\"""", re.VERBOSE
)


def test_each_code_in_the_source_has_a_page():
    used = {code for file in SOURCES.rglob("*.py") for code in CALLED.findall(file.read_text())}
    assert len(used) > 20
    assert used <= set(codes())


@pytest.mark.parametrize("code", codes())
def test_a_page_says_what_why_and_how(code):
    page = explain(code)
    assert page.startswith(f"# {code}\n\n")
    positions = [page.index(f"\n## {title}\n") for title in ("Why it hurts", "How to mend it", "Example")]
    assert positions == sorted(positions)
    assert page.count("```") == 2


def test_an_unknown_code_gets_a_suggestion():
    with pytest.raises(RunnerError, match="did you mean 'unknown-key'"):
        explain("unkown-key")
