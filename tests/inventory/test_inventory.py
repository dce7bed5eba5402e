"""Every component of MMEngine, under its name and with its parameters and defaults, but for what the docs list.

The facts are in components.json. The exceptions are the tables of docs/coming-from-mmengine.md: "Left out", and
"Parameters that differ"; neither may name more than is true.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runner.cli.app import app

HERE = Path(__file__).parent
FACTS = {
    kind: rows for kind, rows in json.loads((HERE / "components.json").read_text("utf-8")).items() if kind
}  # the empty key says what the table is
COMPONENTS = [(kind, name) for kind, rows in FACTS.items() for name in rows]
PAGE = (HERE.parents[1] / "docs" / "coming-from-mmengine.md").read_text("utf-8")


def _documented(heading: str) -> set[str]:
    """The names in backticks in the first column of the table under a heading."""
    _, found, rest = PAGE.partition(f"## {heading}\n")
    assert found, f"docs/coming-from-mmengine.md has no section '{heading}'"
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


LEFT_OUT = _documented("Left out")
DIFFERENT = _documented("Parameters that differ")


def _run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.fixture(scope="module")
def offered() -> set[tuple[str, str]]:
    return {(row["kind"], row["name"]) for row in _run("components") if row["plugin"] == "runner"}


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_components_lists_it(kind: str, name: str, offered: set[tuple[str, str]]) -> None:
    assert ((kind, name) in offered) != (name in LEFT_OUT)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, name in COMPONENTS if name not in LEFT_OUT and FACTS[kind][name] is not None],
)
def test_describe_shows_its_parameters(kind: str, name: str) -> None:
    described = _run("describe", f"runner.{name}")
    described = next(each for each in described if each["kind"] == kind) if isinstance(described, list) else described
    ours = {row["name"]: row for row in described["parameters"]}
    theirs = {key: value for key, value in FACTS[kind][name].items() if key != "**"}
    wrong = {f"{name}.{key}" for key, value in theirs.items() if key not in ours or not _is_alike(ours[key], value)}
    if "**" not in FACTS[kind][name]:
        wrong |= {f"{name}.{key}" for key, row in ours.items() if key not in theirs and row["required"]}
    assert wrong == {each for each in DIFFERENT if each.startswith(f"{name}.")}


def _is_alike(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if "default" not in theirs:
        return bool(ours["required"])
    return not ours["required"] and _plain(ours["default"]) == _plain(theirs["default"])


def _plain(value: Any) -> Any:
    """A value as both sides can write it: a tuple is a list."""
    return json.loads(json.dumps(value))


def test_what_differs_belongs_to_a_component() -> None:
    named = {each.partition(".")[0] for each in DIFFERENT}
    assert named <= {name for _, name in COMPONENTS}
    assert named.isdisjoint(LEFT_OUT)
