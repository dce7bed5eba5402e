"""A small run that draws from every generator: whatever is not put back after a resume shows in its losses."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from runner import Hook, Runner
from runner.checkpoint import CheckpointStore
from runner.evaluator import BaseMetric
from runner.model import BaseModel

SAMPLES, BATCH = 22, 4
LENGTH = 6
"""Batches of an epoch; the last one has two samples."""


class Model(BaseModel):
    """Batch norm, dropout, and a mixing weight that NumPy and Python draw in the main process."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            weight = float(np.random.beta(0.4, 0.4)) * random.random()
            return {"loss": nn.functional.cross_entropy(self.body(inputs + weight * inputs.roll(1, 0)), labels)}
        return self.body(inputs).argmax(1)


class Noisy(Dataset[Any]):
    def __init__(self, samples: int = SAMPLES) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(samples, 6, generator=generator)
        self.labels = torch.randint(3, (samples,), generator=generator)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        noise = torch.randn(6) * random.random() + float(np.random.normal())
        return self.inputs[index] + 0.1 * noise, int(self.labels[index])


class Stream(IterableDataset[Any]):
    """The same samples, without a length."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self.data = Noisy(samples)

    def __iter__(self) -> Any:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return (self.data[index] for index in range(first, len(self.data), step))


class Share(BaseMetric):
    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [float(right) for right in data_batch[1] == torch.stack(data_samples)]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"share": sum(results) / len(results)}


class Record(Hook):
    """Notes each step and each validation."""

    def __init__(self) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.validations: list[tuple[int, float]] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        self.steps.append((runner.iter, outputs["loss"].item(), rate))

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        self.validations.append((runner.iter, metrics["share"]))


class Drawing(Hook):
    """Draws from every generator between the steps."""

    priority = "LOWEST"

    def _before_iter(self, *args: Any, **kwargs: Any) -> None:
        torch.rand(3), np.random.rand(3), random.random()

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        torch.rand(3), np.random.rand(3), random.random()


def loader(dataset: Any, **options: Any) -> dict[str, Any]:
    cfg = {"dataset": dataset, "batch_size": BATCH, "collate_fn": "default_collate", **options}
    return cfg if isinstance(dataset, IterableDataset) else {"sampler": {"type": "DefaultSampler"}, **cfg}


def every(interval: int = 1, by_epoch: bool = False) -> dict[str, Any]:
    return {"checkpoint": {"type": "CheckpointHook", "interval": interval, "by_epoch": by_epoch}}


def fields(work_dir: Path, **changes: Any) -> dict[str, Any]:
    """What a Runner is made from; None takes a field out."""
    built = {
        "model": {"type": Model},
        "work_dir": str(work_dir),
        "train_dataloader": loader(Noisy()),
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": {
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
            "accumulative_counts": 4,
            "clip_grad": {"max_norm": 1.0},
        },
        "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "end": 5, "by_epoch": False},
            {"type": "MultiStepLR", "milestones": [1], "by_epoch": True},
        ],
        "val_dataloader": loader(Noisy(9), sampler={"type": "DefaultSampler", "shuffle": False}),
        "val_cfg": {},
        "val_evaluator": {"type": Share},
        "default_hooks": every(),
        "randomness": {"seed": 7},
        "log_level": "ERROR",
        "device": "cpu",
        **changes,
    }
    return {name: value for name, value in built.items() if value is not None}


def train(work_dir: Path, **changes: Any) -> tuple[Runner, Record]:
    record = Record()
    hooks = [*changes.pop("custom_hooks", []), record]
    allows_change = changes.pop("allow_config_change", False)
    runner = Runner(**fields(work_dir, **changes), custom_hooks=hooks)
    runner.allow_config_change = allows_change
    runner.train()
    runner.close()
    return runner, record


def newest(work_dir: Path) -> dict[str, Any]:
    found = CheckpointStore(work_dir).newest()
    assert found is not None
    return torch.load(found, weights_only=True)


def assert_equal(got: Any, expected: Any, path: str = "") -> None:
    assert type(got) is type(expected), path
    if isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected), path
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), path
        for key in expected:
            assert_equal(got[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(got) == len(expected), path
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert_equal(one, other, f"{path}.{number}")
    else:
        assert got == expected, path
