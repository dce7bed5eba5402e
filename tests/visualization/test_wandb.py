"""Weights & Biases without a network: its own file is read back, row by row."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.visualization import WandbVisBackend

pytest.importorskip("wandb", reason="wandb is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

STEPS = list(range(1, 13))


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No network, and no files of a user's."""
    for name in ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text("print('kept with the run')\n")
    monkeypatch.chdir(code)


BACKEND = {"type": "WandbVisBackend", "init_kwargs": {"mode": "offline", "project": "toys", "name": "first"}}


def chunks(data):
    """The entries of a log as LevelDB writes it: blocks of 32 KiB, an entry in one fragment or in several."""
    block, place, entry = 32768, 7, b""  # W&B's own head comes first
    while place + 7 <= len(data):
        if block - place % block < 7:  # too short for a fragment's head
            place += block - place % block
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        entry = (b"" if kind in {1, 2} else entry) + data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in {1, 4}:
            yield entry


def records(folder):
    """The records of the one run in a folder, in their order; W&B's own process may still be writing the last ones."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = Path(folder).glob("wandb/offline-run-*/*.wandb")
    found, late = [], time.monotonic() + 30
    while not any(record.HasField("exit") for record in found) and time.monotonic() < late:
        data = file.read_bytes()
        assert data.startswith(b":W&B") or not data
        found = [Record.FromString(entry) for entry in chunks(data)]
        time.sleep(0.05)
    return found


def rows(folder):
    """What was logged, as mappings."""
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(folder)
        if record.HasField("history")
    ]


def curve(folder, name):
    return [(row["step"], row[name]) for row in rows(folder) if name in row]


def run_of(folder):
    return next(record.run for record in records(folder) if record.HasField("run"))


def test_what_a_run_logs_is_in_the_file(launch):
    backend = {**BACKEND, "define_metric_cfg": {"toy/mean": "max"}, "log_code_name": "its-code"}
    runner = launch(backend)
    folder = f"{runner.log_dir}/vis_data"
    assert [step for step, _ in curve(folder, "loss")] == STEPS
    assert [step for step, _ in curve(folder, "toy/mean")] == [4, 8, 12]
    assert curve(folder, "lr") == [(step, 0.1) for step in STEPS]
    run = run_of(folder)
    assert (run.project, run.display_name) == ("toys", "first")
    config = {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for record in records(folder)
        if record.HasField("config")
        for item in record.config.update
    }
    assert config["vars"] == {"note": "kept", "list": [1, 2]}
    metrics = {record.metric.name or record.metric.glob_name: record.metric for record in records(folder)}
    assert metrics["*"].step_metric == "step"
    assert metrics["toy/mean"].summary.max
    artifacts = [record.request.log_artifact.artifact for record in records(folder) if record.HasField("request")]
    artifacts += [record.artifact for record in records(folder) if record.HasField("artifact")]
    assert "its-code" in {artifact.name for artifact in artifacts}


def test_a_resumed_launch_goes_on_with_the_run(launch):
    whole = launch(BACKEND, work_dir="whole")
    halted = launch(BACKEND, halt_at=9)
    resumed = launch(BACKEND, resume=True)
    before, after = (f"{runner.log_dir}/vis_data" for runner in (halted, resumed))
    assert run_of(before).run_id == run_of(after).run_id != run_of(f"{whole.log_dir}/vis_data").run_id
    # As W&B puts them together: the first row that it got for each number.
    merged = {}
    for row in [*rows(before), *rows(after)]:
        merged.setdefault(row["_step"], row)
    expected = rows(f"{whole.log_dir}/vis_data")
    assert sorted(merged) == [row["_step"] for row in expected]
    for row in expected:
        for name in ("step", "loss", "toy/mean", "iter"):
            assert merged[row["_step"]].get(name) == row.get(name)
    assert rows(after)[0]["step"] == 6


def test_in_another_work_directory_it_is_another_run(launch):
    halted = launch(BACKEND, halt_at=6)
    checkpoint = next(Path(halted.work_dir).glob("iter_5*"))
    branch = launch(BACKEND, work_dir="branch", resume=str(checkpoint))
    assert run_of(f"{branch.log_dir}/vis_data").run_id != run_of(f"{halted.log_dir}/vis_data").run_id


def test_images_the_model_and_the_module_itself(tmp_path):
    import wandb

    backend = WandbVisBackend(str(tmp_path), BACKEND["init_kwargs"], commit=False, watch_kwargs={"log": "gradients"})
    backend.add_graph(torch.nn.Linear(1, 1), None)
    backend.add_image("picture", np.zeros((4, 5, 3), np.uint8), 3)
    backend.add_scalar("a", 1.0, 3)
    assert backend.experiment is wandb
    assert wandb.run.id == backend.run.id
    backend.close()
    assert wandb.run is None
    (row,) = rows(tmp_path)
    assert row["a"] == 1.0
    assert (row["step"], row["picture/width"]) == (3, 5)
