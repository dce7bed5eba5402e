"""The README's two commands are what the project needs and what `.ci/run` uses; they are run by hand, and by that script."""

from __future__ import annotations

import importlib
import re
import sys

from documents import ROOT, blocks

# pytest brings tomli where Python has no tomllib.
tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAIN, TEST = [block.text.strip() for block in blocks(ROOT / "README.md") if "python3 -m venv" in block.text]


def installed(command: str) -> str:
    found = re.search(r"pip\"? install (.*?)(?: &&|$)", command)
    assert found, command
    return re.sub(r"--quiet |--disable-pip-version-check ", "", found[1])


def test_each_is_one_line_in_a_block_of_its_own() -> None:
    for command in (TRAIN, TEST):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt ")


def test_the_first_trains_the_digits_with_the_plugin() -> None:
    assert installed(TRAIN) == "-c constraints.txt -e . -e plugins/runner-vision"
    assert TRAIN.endswith(" && .venv/bin/runner train examples/digits/digits.yaml")


def test_the_second_is_the_one_that_ci_finds_and_sets_up_alike() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "grep -m 1 'pytest' README.md" in script
    assert next(line for line in README.splitlines() if "pytest" in line) == TEST
    (line,) = [line for line in script.splitlines() if "install" in line]
    assert installed(line) == installed(TEST)
    assert TEST.endswith(" && .venv/bin/python -m pytest -n 2 --dist loadfile")


def test_what_they_name_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "dev" in project["project"]["optional-dependencies"]
    assert project["project"]["scripts"]["runner"]
    for name in ("constraints.txt", "plugins/runner-vision/pyproject.toml", "examples/digits/digits.yaml"):
        assert (ROOT / name).exists()
