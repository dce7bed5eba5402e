"""Every test that the page of promises names is there."""

from __future__ import annotations

import ast
import re

import pytest
from documents import ROOT

PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:plugins/[\w-]+/)?tests/[\w/]+\.py(?:::\w+)*)`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_a_promise_is_shown_by_a_test_that_is_there(name: str) -> None:
    file, *path = name.split("::")
    node: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for part in path:
        inner = [each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == part]
        assert inner, f"{file} has no {'::'.join(path)}"
        node = inner[0]


def test_each_row_names_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| Promise"))]
    assert len(rows) > 20
    assert not [row for row in rows if "tests/" not in row and "the same" not in row]
