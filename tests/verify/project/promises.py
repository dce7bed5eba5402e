"""Parts that keep the promise of exact resumption, and parts that each break it in a way of their own."""

from __future__ import annotations

import random
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from runner import Hook, Runner
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import DATASETS, HOOKS, METRICS, MODELS


@MODELS.register_module()
class Promising(BaseModel):
    """Draws from the global generators; with `breaks`, from what no checkpoint holds."""

    def __init__(self, breaks: Literal["", "generator", "unseeded", "attribute"] = "") -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 3))
        self.breaks = breaks
        self.rng = None
        if breaks in {"generator", "unseeded"}:
            self.rng = np.random.default_rng(1 if breaks == "generator" else None)
        self.steps = 0

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        if mode != "loss":
            return self.layers(inputs).argmax(1)
        scale = float(np.random.uniform(0.9, 1.1)) * random.uniform(0.9, 1.1)
        if self.rng is not None:
            scale *= self.rng.uniform(0.5, 1.5)
        if self.breaks == "attribute":
            self.steps += 1
            scale /= self.steps
        return {"loss": nn.functional.cross_entropy(self.layers(inputs), labels) * scale}


@DATASETS.register_module()
class Samples(Dataset[tuple[torch.Tensor, int]]):
    """Draws from the global generators; with `breaks`, a sample depends on how many were read before."""

    def __init__(self, breaks: bool = False) -> None:
        self.breaks = breaks
        self.reads = 0

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.reads += self.breaks
        return torch.randn(4) + index / 24 + self.reads, index % 3


@HOOKS.register_module()
class Slowing(Hook):
    """Lets the rate fall with the steps that it has counted; with `tells`, it says so to the checkpoint."""

    def __init__(self, tells: bool) -> None:
        self.tells = tells
        self.count = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.count += 1
        runner.optim_wrapper.param_groups[0]["lr"] = 0.1 / self.count

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count} if self.tells else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count = state_dict["count"]


@HOOKS.register_module()
class Seeing(Hook):
    """Counts, to no effect, and forgets it."""

    seen = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.seen += len(data_batch[0])


@METRICS.register_module()
class Share(BaseMetric):
    """The share of right answers; with `breaks`, the best of all validations that this process has seen."""

    def __init__(self, breaks: bool = False) -> None:
        super().__init__()
        self.breaks = breaks
        self.sum = 0.0

    def process(self, data_batch: Any, data_samples: list[torch.Tensor]) -> None:
        self.results += [float(right) for right in data_batch[1] == torch.stack(data_samples)]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        self.sum += 1 + sum(results)
        return {"share": self.sum if self.breaks else sum(results) / len(results)}
