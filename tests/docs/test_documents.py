"""Every block of code in the README and the documentation is run, or held against what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, blocks
from stage import Stage

ALL = [block for document in DOCUMENTS for block in blocks(document)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_does_what_it_shows(document: Path, stage_folder: Path) -> None:
    stage = Stage(stage_folder)
    for block in blocks(document):
        stage.play(block)


def test_few_blocks_are_not_run() -> None:
    skipped = {block.place: block.reason for block in ALL if block.reason}
    assert len(skipped) <= 11, skipped
    assert len(ALL) > 60
