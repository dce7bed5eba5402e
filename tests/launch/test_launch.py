"""`--launcher pytorch` in its three forms, and a project of the user's own with spawned workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import read_scalars

PROJECT = Path(__file__).parent / "project"
CONFIG = str(PROJECT / "cfg.yaml")
RUNNER = [sys.executable, "-m", "runner", "train", CONFIG]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key not in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}}
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**variables, "OMP_NUM_THREADS": "1", **environment},
    )


def ranks(work_dir: Path) -> list[list[str]]:
    return [path.read_text(encoding="utf-8").split() for path in sorted(work_dir.glob("rank*.txt"))]


def validations(work_dir: Path) -> list[dict[str, Any]]:
    return [row for row in read_scalars(work_dir) if row["mode"] == "val"]


FORMS = {
    "torchrun": [*TORCHRUN, "-m", "runner", "train", CONFIG, "--launcher", "pytorch"],
    "own agent": [*RUNNER, "--launcher", "pytorch", "--nproc-per-node", "2"],
    "plain": [*RUNNER, "--launcher", "pytorch"],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_sees_every_sample_and_measures_the_same(form: str, tmp_path: Path) -> None:
    command = [*FORMS[form], "--work-dir", str(tmp_path / "w")]
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    processes = 1 if form == "plain" else 2
    if form == "plain":
        assert "starting 1 process, as there is no GPU" in done.stderr
    wrapper = "MMDistributedDataParallel"
    assert ranks(tmp_path / "w") == [[str(processes), str(120 // processes), wrapper]] * processes
    assert len(list((tmp_path / "w").glob("epoch_*.pth"))) == 2
    assert len(list((tmp_path / "w").glob("2*"))) == 1  # only rank 0 writes
    rows = validations(tmp_path / "w")
    assert [row["of"] for row in rows] == [51, 51]  # the padding is dropped
    check = [sys.executable, "-m", "runner", "test", CONFIG, str(tmp_path / "w" / "epoch_2.pth"), "--work-dir", "t"]
    alone = run([*check, "--format", "json", *fields_of_a_test()], tmp_path)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert f'"right": {rows[-1]["right"]}' in alone.stdout.splitlines()[-1]


def fields_of_a_test() -> list[str]:
    """The validation of the config as its test."""
    pairs = {
        "test_cfg": "{}",
        "test_evaluator": "{type: Right}",
        "test_dataloader": "{batch_size: 5, sampler: {type: DefaultSampler, shuffle: false}, collate_fn: default_collate,"
        " dataset: {type: Blobs, samples: 51}}",
    }
    return [part for key, value in pairs.items() for part in ("-o", f"{key}={value}")]


def test_two_ranks_train_as_one_with_the_same_global_batch(tmp_path: Path) -> None:
    still = [
        "-o",
        "model.width=8",
        "--no-val",
        "-o",
        "train_dataloader.sampler.shuffle=false",
        "-o",
        "train_cfg.max_epochs=1",
    ]
    two = run([*RUNNER, *still, "--launcher", "pytorch", "--nproc-per-node", "2", "--work-dir", "two"], tmp_path)
    assert two.returncode == 0, two.stdout + two.stderr
    one = run([*RUNNER, *still, "-o", "train_dataloader.batch_size=10", "--work-dir", "one"], tmp_path)
    assert one.returncode == 0, one.stdout + one.stderr
    states = [torch.load(tmp_path / name / "epoch_1.pth", weights_only=True) for name in ("one", "two")]
    assert [state["data"]["samples"] + 60 * state["data"]["epoch"] for state in states] == [60, 60]
    # Dropout draws alike on both ranks, and otherwise than for one batch: what is equal is the data, not the bits.
    assert states[0]["meta"]["iter"] == states[1]["meta"]["iter"] == 6


def test_a_project_with_spawned_workers_and_two_processes_from_another_folder(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    spawn = [
        *("-o", "train_dataloader.num_workers=2", "-o", "train_cfg.max_epochs=1"),
        *("-o", "env_cfg.mp_cfg={mp_start_method: spawn, opencv_num_threads: 0}"),
    ]
    done = run(
        [*RUNNER, *spawn, "--launcher", "pytorch", "--nproc-per-node", "2", "--work-dir", "w"],
        tmp_path,
        CANARY=str(canary),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ranks(tmp_path / "w") == [["2", "30", "MMDistributedDataParallel"]] * 2
    assert canary.exists()


def test_a_misspelt_argument_of_the_users_class_is_found_without_running_it(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = (PROJECT / "cfg.yaml").read_text(encoding="utf-8").replace("width: 16", "widht: 16")
    for file in PROJECT.glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "cfg.yaml").write_text(text, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run([sys.executable, "-m", "runner", "validate", str(tmp_path / "cfg.yaml")], elsewhere, CANARY=str(canary))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path / 'cfg.yaml'}:4:3: error[unknown-key] model.widht")
    assert "did you mean 'width'" in done.stdout
    assert done.stdout.count("error[") == 1
    assert not canary.exists()


def test_a_group_without_a_launcher_is_refused(tmp_path: Path) -> None:
    done = run([*RUNNER, "--work-dir", "w"], tmp_path, WORLD_SIZE="2", RANK="0")
    assert done.returncode == 2
    assert "--launcher pytorch" in done.stderr


def test_a_rank_that_fails_ends_the_run_with_the_users_traceback(tmp_path: Path) -> None:
    more = ["--launcher", "pytorch", "--nproc-per-node", "2", "--work-dir", "w", "-o", "model.width=-1"]
    done = run([*RUNNER, *more], tmp_path)
    assert done.returncode == 3
    assert f'File "{PROJECT / "layers.py"}"' in done.stderr
    assert "negative dimension -1" in done.stderr
    assert "runner/build.py" not in done.stderr
    assert "launcher: rank" in done.stderr
