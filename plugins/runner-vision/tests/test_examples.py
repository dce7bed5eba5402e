from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.config import Config
from runner.plugin import default_plugins
from runner.validation import check

EXAMPLES = Path(__file__).parents[3] / "examples"
CONFIGS = sorted(EXAMPLES.rglob("*.yaml"))


def run(*arguments, cwd):
    """The command line in a folder of its own, on two threads, as on the smallest machine that the README speaks of."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "runner", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_is_valid(config):
    assert not check(Config.fromfile(config), default_plugins().catalog.copy())


def test_there_are_examples():
    assert {"digits.yaml", "annotated.yaml", "cifar10.yaml", "kfold.yaml", "cfg.yaml"} <= {
        file.name for file in CONFIGS
    }


@pytest.mark.slow
def test_digits_reach_98_percent(tmp_path):
    done = run("train", EXAMPLES / "digits" / "digits.yaml", "--work-dir", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / "out").glob("*/*.log")
    validations = re.findall(r"Epoch\(val\).*accuracy/top1: ([\d.]+)", log.read_text())
    assert len(validations) == 20
    assert float(validations[-1]) >= 98


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "overrides", "leaves"),
    [
        ("annotated/annotated.yaml", ["train_cfg.max_epochs=2"], "*/misclassified/val_epoch_2/index.json"),
        ("custom_model/cfg.yaml", ["train_cfg.max_epochs=1"], "epoch_1.pth"),
        ("kfold/kfold.yaml", ["train_cfg.max_epochs=1", "train_cfg.num_folds=2"], "*/kfold.json"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith("yaml") else "",
)
def test_is_trained(tmp_path, config, overrides, leaves):
    options = [part for override in overrides for part in ("-o", override)]
    done = run("train", EXAMPLES / config, "--work-dir", tmp_path / "out", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob(leaves))


@pytest.mark.slow
def test_cifar10_is_trained_and_tested(tmp_path, write_binary):
    write_binary(tmp_path / "data")
    small = {
        "vars.root": tmp_path / "data",
        "model.width": 2,
        "train_dataloader.batch_size": 4,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": "false",
        "val_dataloader.num_workers": 0,
        "val_dataloader.persistent_workers": "false",
        "train_cfg.max_epochs": 4,
        "param_scheduler.1.end": 4,
    }
    options = [part for key, value in small.items() for part in ("-o", f"{key}={value}")]
    config, out = EXAMPLES / "cifar10" / "cifar10.yaml", tmp_path / "out"
    trained = run("train", config, "--work-dir", out, *options, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    tested = run("test", config, out / "epoch_4.pth", "--work-dir", out, *options, "--format", "json", cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    metrics = json.loads(tested.stdout.splitlines()[-1])["metrics"]
    assert 0 <= metrics["accuracy/top1"] <= metrics["accuracy/top5"] <= 100
    assert sum(map(sum, metrics["confusion_matrix/result"])) == 6
