"""A user's own code beside a config. Running it leaves a trace where the environment says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from layers import body
from torch import nn
from torch.utils.data import Dataset

from runner import Hook, Runner, hookimpl
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import HOOKS, METRICS, MODELS

if "CANARY" in os.environ:
    Path(os.environ["CANARY"]).write_text("model.py was run", encoding="utf-8")


@hookimpl
def runner_register(catalog: Any) -> None:
    """The other way to register, as a plugin does."""
    catalog.dataset("Blobs", "model:Blobs")


@MODELS.register_module()
class Net(BaseModel):
    """Three blobs apart.

    Args:
        width: Hidden units.
    """

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body = body(width)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        logits = self.body(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits.argmax(1)


class Blobs(Dataset[tuple[torch.Tensor, int]]):
    """Points around three centres.

    Args:
        samples: How many.
    """

    def __init__(self, samples: int = 50) -> None:
        generator = torch.Generator().manual_seed(1)
        self.labels = torch.randint(3, (samples,), generator=generator)
        self.inputs = torch.randn(samples, 6, generator=generator) + nn.functional.one_hot(self.labels, 6) * 3

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.inputs[index], int(self.labels[index])


@METRICS.register_module()
class Right(BaseMetric):
    """How many answers are right, of how many."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [int(right) for right in data_batch[1] == torch.stack(data_samples)]

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        return {"right": sum(results) / len(results), "of": len(results)}


@HOOKS.register_module()
class SeenHook(Hook):
    """Each rank writes down how many samples it has trained on, and what its work directory is."""

    def before_run(self, runner: Runner) -> None:
        self.samples = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.samples += len(data_batch[1])

    def after_train(self, runner: Runner) -> None:
        text = f"{runner.world_size} {self.samples} {type(runner.model).__name__}"
        Path(runner.work_dir, f"rank{runner.rank}.txt").write_text(text, encoding="utf-8")
