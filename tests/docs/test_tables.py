"""What the documentation lists is what the code has."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import torch
from documents import DOCUMENTS, ROOT, generated
from picture import PICTURE, picture
from tables import PARTS
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from runner import Config, Hook, Runner
from runner.plugin import default_plugins
from runner.validation import fields

UPDATE = "the code has changed; `python tests/docs/tables.py` writes it anew"
GENERATED = [(document, name) for document in DOCUMENTS for name in generated(document)]


def section(document: str, title: str) -> str:
    """The text under a heading, up to the next one of its rank."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text)
    assert found, f"{document} has no heading '{title}'"
    return found[1]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in a text, without their heads."""
    return [cells[0].strip() for cells in re.findall(r"(?m)^\| (.*?)(?<!\\) \|", text) for cells in [(cells,)]]


def code_in(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize(("document", "name"), GENERATED, ids=[name for _, name in GENERATED])
def test_is_as_the_code_says(document: Path, name: str) -> None:
    assert generated(document)[name] == PARTS[name](), UPDATE


def test_everything_that_can_be_listed_is() -> None:
    assert sorted(name for _, name in GENERATED) == sorted(PARTS)


def test_the_picture_shows_what_the_command_prints(stage_folder: Path) -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(stage_folder), UPDATE
    assert len(ET.parse(PICTURE).getroot()) > 10


def test_every_field_is_explained() -> None:
    listed = re.findall(r"(?m)^\| `(\w+)` \|", generated(ROOT / "docs" / "config.md")["fields"])
    assert listed == list(fields.names())


def test_hook_points_are_in_their_order() -> None:
    listed = re.findall(r"(?m)^\| \d+ \| `(\w+)` \|", generated(ROOT / "docs" / "engine.md")["hook-points"])
    assert tuple(listed) == Hook.stages


def test_the_runner_is_listed_whole(tmp_path: Path) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(4, 2)), batch_size=2)
    model = nn.Linear(2, 1)
    cfg: dict[str, Any] = {"train_cfg": {"max_epochs": 1}, "optim_wrapper": {"optimizer": {"type": "SGD"}}}
    runner = Runner(model, str(tmp_path), train_dataloader=loader, log_level="ERROR", **cfg)
    has = {name for name in {*vars(runner), *dir(type(runner))} if not name.startswith("_")}
    cells = " ".join(first_cells(section("docs/engine.md", "The Runner")))
    listed = {name.partition("(")[0].removeprefix("Runner.") for name in code_in(cells)}
    # Named in another cell, beside what they are an aspect of.
    listed |= {"unwrapped_model"}
    assert listed == has


def test_members_of_config_exist() -> None:
    for name in code_in(" ".join(first_cells(section("docs/config.md", "`Config` in Python")))):
        member = name.partition("(")[0].partition("[")[0].removeprefix("Config").lstrip(".")
        if member and not member.startswith("cfg"):
            assert hasattr(Config, member), name


def test_imports_can_be_changed_as_the_readme_says() -> None:
    rows = re.findall(r"(?m)^\| `(from mmengine.*)` \| `(.*)` \|$", section("README.md", "Coming from MMEngine"))
    assert len(rows) > 10
    for theirs, ours in rows:
        exec(ours, {})
        assert re.sub(r"mmengine(\.runner)?(?=[. ])", "runner", theirs, count=1) == ours


def test_what_is_left_out_is_not_there() -> None:
    offered = {entry.name for entry in default_plugins().catalog}
    names = code_in(" ".join(first_cells(section("docs/coming-from-mmengine.md", "Left out"))))
    assert len(names) > 20
    assert not names & offered
