from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

FAILING = """
import pytest
from torch import distributed

@pytest.mark.world_size(2)
def test_one_rank_fails():
    wanted = distributed.get_rank() + 40
    if distributed.get_rank() == 1:
        raise ValueError("the second rank is unhappy")
    distributed.barrier()

@pytest.mark.world_size(2, timeout=20)
def test_one_rank_hangs():
    import time
    if distributed.get_rank() == 1:
        time.sleep(100)

@pytest.mark.world_size(2)
def test_skips():
    pytest.skip("not here")
"""


@pytest.mark.slow
def test_failing_hanging_and_skipping_ranks_are_reported(tmp_path):
    for name in ("conftest.py", "rank_process.py"):
        shutil.copy(TESTS / name, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = world_size: here too\n")
    (tmp_path / "test_it.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-rfs", "-p", "no:cacheprovider", "test_it.py"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False).stdout
    assert "2 failed, 1 skipped" in shown
    assert "ValueError: the second rank is unhappy" in shown
    assert "wanted     = 41" in shown
    assert "rank 1 was not through after 20 s" in shown
    assert "not here" in shown
