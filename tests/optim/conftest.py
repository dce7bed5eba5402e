"""What the tests of optimizers share."""

from __future__ import annotations

import io

import pytest
import torch

from runner.logging import Console, MMLogger


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def log(tmp_path):
    """Reads what was logged."""
    file = tmp_path / "log.txt"
    with MMLogger(log_file=file, console=Console(io.StringIO())).current() as logger:
        yield lambda: file.read_text(encoding="utf-8") if file.exists() else ""
        logger.close()
