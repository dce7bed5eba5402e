"""torchrun, mpirun and srun themselves: each trains the weights that the command does by itself, bit for bit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

spec = importlib.util.spec_from_file_location("launch_clusters", Path(__file__).with_name("clusters.py"))
assert spec is not None
assert spec.loader is not None
clusters: Any = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = clusters
spec.loader.exec_module(clusters)

FIRST = next(iter(clusters.LAUNCHES))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    work_dir = tmp_path_factory.mktemp("own") / "work"
    done = clusters.train(FIRST, work_dir, {})
    assert done.returncode == 0, done.stdout + done.stderr
    weights: dict[str, torch.Tensor] = clusters.trained(work_dir)
    return weights


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torchrun, inferred", "mpirun", "mpirun, inferred", "srun", "srun, inferred"])
def test_real_launchers(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if (why := clusters.missing(name)) is not None:
        pytest.skip(why)
    expected = request.getfixturevalue("expected")
    with clusters.cluster(name) as environ:
        done = clusters.train(name, tmp_path / "work", environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert clusters.equal(clusters.trained(tmp_path / "work"), expected)
    # Restarts of torchrun's own are a trap, which is named whether or not one happens.
    assert done.stderr.count("warning: torchrun --max-restarts 1") == ("torchrun" in name)
