"""Every file under `examples/` is right, and the small ones train: a few steps each, through the command line."""

from __future__ import annotations

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT

from runner.cli.app import run
from runner.config import compose
from runner.validation import check, render_text

EXAMPLES = ROOT / "examples"
CONFIGS = sorted(EXAMPLES.rglob("*.yaml"))

QUICK = [
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=false",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=false",
]
TWO_BATCHES = "train_dataloader.num_batch_per_epoch=2"
SHORT = {
    "annotated": [TWO_BATCHES, "train_cfg.max_epochs=2", "param_scheduler.0.end=2", "param_scheduler.1.end=2"],
    "cifar10": [TWO_BATCHES, "train_cfg.max_epochs=1", "train_dataloader.batch_size=4", "param_scheduler.1.end=4"],
    "cfg": [TWO_BATCHES, "train_cfg.max_epochs=1"],
    "digits": [TWO_BATCHES, "train_cfg.max_epochs=1"],
    "digits_tta": [TWO_BATCHES, "train_cfg.max_epochs=1"],
    "finetune": [TWO_BATCHES, "train_cfg.max_epochs=1", "param_scheduler.0.end=1"],
    "gan": [TWO_BATCHES, "train_cfg.max_epochs=1", "param_scheduler.generator.0.end=1"],
    "pretrain": [TWO_BATCHES, "train_cfg.max_epochs=1"],
    "language_model": ["train_cfg.max_iters=4", "train_cfg.val_interval=2", "val_dataloader.num_batch_per_epoch=1"],
    "plain_torch": [TWO_BATCHES, "train_cfg.max_epochs=1"],
    "streaming": ["train_dataloader.batch_size=256", "train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=2"],
    # The loop splits the whole of its data set, so that can't be cut.
    "kfold": ["model.width=2", "train_cfg.max_epochs=1", "train_cfg.num_folds=2", "train_cfg.val_interval=1"],
}
"""What makes each of them short."""


def write_cifar10(root: Path) -> None:
    """A few random images in the format in which CIFAR-10 is published."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = random.integers(0, 256, size=(4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3]}, protocol=2))
    names = [f"class {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))


def test_there_is_nothing_but_configs_and_their_code() -> None:
    files = {path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    code = {path for path in files if path.suffix == ".py"}
    assert files - code == set(CONFIGS)
    for path in code:
        neighbours = [other.read_text(encoding="utf-8") for other in path.parent.iterdir() if other.is_file()]
        assert any(f"./{path.name}" in text or f"from {path.stem} import" in text for text in neighbours), path


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_has_no_problems(config: Path) -> None:
    composition = compose(config)
    problems = check(composition)
    assert not problems, render_text(problems, composition.sources)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_trains(
    config: Path, stage_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if config.stem == "cifar10":
        write_cifar10(stage_folder / "data")
        monkeypatch.setenv("CIFAR10_ROOT", str(stage_folder / "data"))
    if config.stem == "streaming":
        monkeypatch.setattr("sys.argv", ["write_shards.py"])
        runpy.run_path(str(config.with_name("write_shards.py")), run_name="__main__")
    overrides = [part for each in [*QUICK, *SHORT[config.stem]] for part in ("-o", each)]
    if config.stem == "finetune":
        before = [part for each in [*QUICK, *SHORT["pretrain"]] for part in ("-o", each)]
        assert run(["train", str(config.with_name("pretrain.yaml")), "--work-dir", "before", *before]) == 0
        overrides += ["-o", "model.backbone.init_cfg.checkpoint=before/epoch_1.pth"]
    code = run(["train", str(config), "--work-dir", "out", *overrides])
    shown = capsys.readouterr()
    assert code == 0, shown.out + shown.err
    assert "Training finished" in shown.out
    assert list((stage_folder / "out").glob("epoch_*.pth")) or list((stage_folder / "out").glob("iter_*.pth"))
