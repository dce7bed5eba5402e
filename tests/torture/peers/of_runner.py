"""Our own: `runner train CFG --resume`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from parts import BATCH, SEED, TRACE, Spec

__all__ = [
    "CHECKPOINTS",
    "HAS_EMA",
    "NAME",
    "SETTINGS",
    "TYPOS",
    "WARM",
    "best",
    "curve",
    "train",
    "versions",
]

NAME = "runner"
SETTINGS = "`runner train CFG --resume`; `CheckpointHook(by_epoch=False, interval=5)`"
CHECKPOINTS = ("*.pth", r"(?:stopped_)?iter_(\d+)\.pth")
"""Where a run's checkpoints lie, and which of these names count the optimizer's steps."""
WARM = ("torch._dynamo", "runner.cli.train", "runner.runner", "runner.validation", "runner.hooks", "runner.fileio")
"""What every launch imports."""
HAS_EMA = True
# What is misspelt, and how.
TYPOS = {
    "custom_hooks": "custom_hook",
    "max_epochs": "max_epoch",
    "interval": "intervall",
    "lr": "learning_rate",
    "num_workers": "num_worker",
    "T_max": "T_maximum",
    "seed": "sede",
    "patience": "patiance",
}


def versions() -> dict[str, str]:
    """What was measured."""
    from importlib.metadata import version

    return {"yaml-runner": version("yaml-runner")}


def config(spec: Spec, path: str) -> dict[str, Any]:
    """The run's config."""
    loader = {"batch_size": BATCH, spec.name("num_workers", TYPOS["num_workers"]): spec.workers}
    loader |= {"collate_fn": "default_collate"}
    data = {"type": "Shared", "spec": path}
    hooks: list[dict[str, Any]] = [{"type": "Told", "spec": path}]
    if spec.ema:
        hooks.append({"type": "EMAHook", "momentum": 0.1})
    if spec.early_stopping or spec.typo == "patience":
        patience = spec.name("patience", TYPOS["patience"])
        hooks.append({"type": "EarlyStoppingHook", "monitor": "score", "rule": "greater", patience: 3})
    saves = {"by_epoch": False, spec.name("interval", TYPOS["interval"]): spec.save_every * spec.accumulation}
    saves |= {"max_keep_ckpts": spec.keep or -1}
    if spec.best:
        saves |= {"save_best": "score", "rule": "greater"}
    cosine = {"type": "CosineAnnealingLR", "by_epoch": False, spec.name("T_max", TYPOS["T_max"]): spec.steps}
    found: dict[str, Any] = {
        "custom_imports": {"imports": ["./scored.py"]},
        "model": {"type": "Scored", "spec": path},
        "train_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": True}, "dataset": data},
        "train_cfg": {"by_epoch": True, spec.name("max_epochs", TYPOS["max_epochs"]): spec.epochs},
        "optim_wrapper": {
            "optimizer": {"type": "AdamW", spec.name("lr", TYPOS["lr"]): 0.01},
            "accumulative_counts": spec.accumulation,
        },
        "param_scheduler": cosine,
        "default_hooks": {"logger": {"interval": 1}, "checkpoint": saves},
        spec.name("custom_hooks", TYPOS["custom_hooks"]): hooks,
        "randomness": {spec.name("seed", TYPOS["seed"]): SEED},
    }
    if spec.validation != "no":
        sampler = {"type": "DefaultSampler", "shuffle": False}
        found["val_dataloader"] = {**loader, "sampler": sampler, "dataset": {**data, "is_training": False}}
        found |= {"val_cfg": {}, "val_evaluator": {"type": "Score"}}
    return found


def train(spec: Spec) -> int:
    """Start or resume the run; the exit code."""
    from runner.cli.app import run

    folder = Path(spec.folder)
    beside = folder.with_name(f"{folder.name}-config")
    beside.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "project" / "scored.py", beside)
    TRACE.open(spec.trace)
    path = beside / "config.json"
    path.write_text(json.dumps(config(spec, str(spec.write(beside / "spec.json")))), encoding="utf-8")
    return run(["train", str(path), "--work-dir", str(folder), "--resume=auto", "--device", "cpu"])


def best(folder: Path) -> list[str]:
    """The best checkpoint that is kept."""
    return sorted(path.name for path in folder.glob("best_*"))


def curve(folder: Path) -> list[tuple[int, float]]:
    """The loss by steps, of all launches."""
    from runner import read_scalars

    return [(row["step"], row["loss"]) for row in read_scalars(folder) if row["mode"] == "train"]
