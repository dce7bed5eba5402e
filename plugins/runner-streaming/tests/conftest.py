from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from runner_streaming.index import write_index

# The tests are no package, so a module beside them is found by its folder.
sys.path.append(str(Path(__file__).parent))

from streaming_tars import tar_of


@pytest.fixture(autouse=True)
def seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def write_shards(tmp_path):
    """Writes shards of numbered samples, so many in each; returns where their index lies."""

    def write(*counts, folder=tmp_path / "shards", index=True):
        folder.mkdir(exist_ok=True)
        number = 0
        for shard, count in enumerate(counts):
            samples = [
                (f"{each:06d}", {"id": str(each).encode(), "txt": b"x" * 2000})
                for each in range(number, number + count)
            ]
            (folder / f"{shard:03d}.tar").write_bytes(tar_of(samples))
            number += count
        if not index:
            return f"{folder}/*.tar"
        write_index(f"{folder}/*.tar", f"{folder}/index.json")
        return f"{folder}/index.json"

    return write
