from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def stage_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is run in it leaves nothing behind in this process."""
    from stage import undisturbed

    monkeypatch.chdir(tmp_path)
    for name in ("SCRATCH", "SEED"):  # which the documents' configs read
        monkeypatch.delenv(name, raising=False)
    with undisturbed():
        yield tmp_path
