"""runner-streaming is a pip install: built, installed into a fresh environment, validated and trained there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("webdataset")

ROOT = Path(__file__).parents[2]
QUICK = (
    *("-o", "train_dataloader.num_workers=0", "-o", "train_dataloader.persistent_workers=false"),
    *("-o", "train_dataloader.batch_size=512", "-o", "train_cfg.max_epochs=1"),
)


@pytest.mark.slow
def test_a_config_that_streams_is_validated_and_trained(environment, tmp_path):
    package = shutil.copytree(ROOT / "plugins" / "runner-streaming", tmp_path / "package")
    environment.install(package)
    shutil.rmtree(package)
    found = environment.python_run("-c", "import runner_streaming; print(runner_streaming.__file__)")
    assert found.stdout.startswith(str(environment.site))

    folder = ROOT / "examples" / "streaming"
    written = environment.python_run(str(folder / "write_shards.py"))
    assert written.returncode == 0, written.stderr
    config = str(folder / "streaming.yaml")
    checked = environment.runner("validate", config, "--format", "json")
    assert json.loads(checked.stdout) == {"ok": True, "problems": []}
    wrong = environment.runner("validate", config, "--format", "json", "-o", "train_dataloader.dataset.bufer=10")
    (problem,) = json.loads(wrong.stdout)["problems"]
    assert (problem["code"], problem["suggestion"]) == ("unknown-key", "buffer")
    trained = environment.runner("train", config, "--work-dir", "out", "--device", "cpu", *QUICK)
    assert trained.returncode == 0, trained.stderr
    assert "Training finished" in trained.stdout
