"""MMEngine: `Runner(resume=True)`, by iterations over an endless sampler, which is what it resumes in mid-epoch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from parts import BATCH, SEED, TRACE, Net, Samples, Spec, save_final, score

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

NAME = "MMEngine"
SETTINGS = (
    "`Runner(resume=True)`; `IterBasedTrainLoop` and `InfiniteSampler`, as its epochs resume at their ends only; "
    "`CheckpointHook(by_epoch=False, interval=5)`; `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`, without which it can't "
    "load its own checkpoints under torch 2.6 and later (but for the first row)"
)
CHECKPOINTS = ("iter_*.pth", r"iter_(\d+)\.pth")
"""Where a run's checkpoints lie, and which of these names count the optimizer's steps."""
WARM = ("torch._dynamo", "mmengine.hooks", "mmengine.runner")
"""What every launch imports."""
HAS_EMA = True
TYPOS = {
    "custom_hooks": "custom_hook",
    "max_iters": "max_iter",
    "interval": "intervall",
    "lr": "learning_rate",
    "num_workers": "num_worker",
    "T_max": "T_maximum",
    "seed": "sede",
    "patience": "patiance",
}


def versions() -> dict[str, str]:
    """What was measured."""
    import mmengine

    return {"mmengine-lite": mmengine.__version__}


def _register() -> None:
    """Make its parts known to it; done once it is imported."""
    from mmengine.evaluator import BaseMetric
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS

    @MODELS.register_module(force=True)
    class Scored(BaseModel):
        def __init__(self, spec: str) -> None:
            super().__init__()
            self.net = Net(Spec.read(spec))

        def forward(self, inputs: Any, labels: Any, index: Any, mode: str = "tensor") -> Any:
            return {"loss": self.net.loss(inputs, labels, index)} if mode == "loss" else self.net.predict(inputs)

    @METRICS.register_module(force=True)
    class Score(BaseMetric):
        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results += [float(seen) for seen in data_samples]

        def compute_metrics(self, results: list[float]) -> dict[str, float]:
            return {"score": score(results[0])}

    @HOOKS.register_module(force=True)
    class Told(Hook):
        priority = "VERY_LOW"

        def __init__(self, spec: str) -> None:
            self.spec = Spec.read(spec)

        def before_train(self, runner: Any) -> None:
            TRACE.start(runner.iter)

        def after_train(self, runner: Any) -> None:
            average = next((hook.ema_model for hook in runner.hooks if hasattr(hook, "ema_model")), None)
            save_final(self.spec, runner.model, average)

    @DATASETS.register_module(force=True)
    class Shared(Samples):
        def __init__(self, spec: str, is_training: bool = True) -> None:
            super().__init__(Spec.read(spec), is_training=is_training)


def config(spec: Spec, path: str) -> dict[str, Any]:
    """The run's config."""
    loader = {"batch_size": BATCH, spec.name("num_workers", TYPOS["num_workers"]): spec.workers}
    loader |= {"collate_fn": {"type": "default_collate"}}
    data = {"type": "Shared", "spec": path}
    hooks: list[Any] = [{"type": "Told", "spec": path}]
    if spec.ema:
        hooks.append({"type": "EMAHook", "momentum": 0.1})
    if spec.early_stopping or spec.typo == "patience":
        patience = spec.name("patience", TYPOS["patience"])
        hooks.append({"type": "EarlyStoppingHook", "monitor": "score", "rule": "greater", patience: 3})
    saves = {"type": "CheckpointHook", "by_epoch": False, "max_keep_ckpts": spec.keep or -1}
    saves |= {spec.name("interval", TYPOS["interval"]): spec.save_every * spec.accumulation}
    if spec.best:
        saves |= {"save_best": "score", "rule": "greater"}
    cosine = {"type": "CosineAnnealingLR", "by_epoch": False, spec.name("T_max", TYPOS["T_max"]): spec.steps}
    found: dict[str, Any] = {
        "model": {"type": "Scored", "spec": path},
        "work_dir": spec.folder,
        "train_dataloader": {**loader, "sampler": {"type": "InfiniteSampler", "shuffle": True}, "dataset": data},
        "train_cfg": {
            "by_epoch": False,
            spec.name("max_iters", TYPOS["max_iters"]): spec.steps,
            "val_interval": spec.batches if spec.validation != "no" else 10**9,
        },
        "optim_wrapper": {
            "optimizer": {"type": "AdamW", spec.name("lr", TYPOS["lr"]): 0.01},
            "accumulative_counts": spec.accumulation,
        },
        "param_scheduler": cosine,
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}, "checkpoint": saves},
        spec.name("custom_hooks", TYPOS["custom_hooks"]): hooks,
        "randomness": {spec.name("seed", TYPOS["seed"]): SEED},
        "log_processor": {"by_epoch": False, "window_size": 1},
        "resume": True,
    }
    if spec.validation != "no":
        sampler = {"type": "DefaultSampler", "shuffle": False}
        found["val_dataloader"] = {**loader, "sampler": sampler, "dataset": {**data, "is_training": False}}
        found |= {"val_cfg": {}, "val_evaluator": {"type": "Score"}}
    return found


def train(spec: Spec) -> int:
    """Start or resume the run; the exit code."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    if spec.is_helped:
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    _register()
    TRACE.open(spec.trace)
    beside = Path(f"{spec.folder}-config")
    beside.mkdir(exist_ok=True)
    Runner.from_cfg(Config(config(spec, str(spec.write(beside / "spec.json"))))).train()
    return 0


def best(folder: Path) -> list[str]:
    """The best checkpoint that is kept."""
    return sorted(path.name for path in folder.glob("best_*"))


def curve(folder: Path) -> list[tuple[int, float]]:
    """The loss by steps, of all launches: each has a file in a folder of its own."""
    found = []
    for file in sorted(folder.glob("*/vis_data/scalars.json")):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        found += [(row["step"], row["loss"]) for row in rows if "loss" in row]
    return found
