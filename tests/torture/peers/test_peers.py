"""A sample of the scoreboard, of the frameworks that are installed here; and the page as the results are."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[2] / "docs" / "scoreboard.md"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "run.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.slow
def test_a_sample_tells_a_run_that_goes_on_exactly_from_one_that_does_not(tmp_path: Path) -> None:
    out, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text("<!-- measured: scoreboard -->\n<!-- end -->\n", encoding="utf-8")
    arguments = ["--rounds", "1", "--seed", "5", "--out", str(out), "--page", str(page)]
    done = run("--frameworks", "runner", "--rows", "dropout", "truncated", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    if importlib.util.find_spec("mmengine") is not None:  # it saves no generator
        done = run("--frameworks", "mmengine", "--rows", "dropout", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))["frameworks"]
    assert {row: cell["answer"] for row, cell in found["runner"]["cells"].items()} == {
        "dropout": "yes",
        "truncated": "yes",
    }
    assert found["runner"]["cells"]["dropout"]["rounds"][0]["resumed at batch"] > 0
    assert [each["cells"]["dropout"]["answer"] for name, each in found.items() if name != "runner"] in ([], ["no"])
    assert "| dropout | yes: 1 of 1 |" in page.read_text(encoding="utf-8")


def test_the_page_is_as_the_results_are() -> None:
    spec = importlib.util.spec_from_file_location("scoreboard_table", HERE / "table.py")
    assert spec is not None
    assert spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    page = PAGE.read_text(encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert table.update(page, results) == page, "`python tests/torture/peers/run.py --only-table` writes it anew"


def test_every_row_was_measured_with_every_framework() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = set(results["rows"])
    assert {name: rows - set(each["cells"]) for name, each in results["frameworks"].items()} == {
        name: set() for name in ("runner", "mmengine", "lightning", "transformers")
    }
    for each in results["frameworks"].values():
        for name, cell in each["cells"].items():
            assert cell["answer"] == "-" or (cell["rounds"] and cell["seeds"]), name
