"""The pages of components are those that the code makes."""

from __future__ import annotations

from component_pages import FOLDER, GROUPS, pages

from runner.kinds import KINDS

ANEW = "run `python tests/docs/component_pages.py`"


def test_say_what_the_code_says() -> None:
    assert {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.md")} == pages(), ANEW


def test_every_kind_has_its_page() -> None:
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(KINDS)
