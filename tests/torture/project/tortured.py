"""A model, a data set and a metric that draw from whatever generator they are told to."""

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

POISONED = 17
"""The sample whose loss is no number, where one is wanted."""


@MODELS.register_module()
class Drawing(BaseModel):
    """Batch norm, dropout, and an input mixed by a weight that is drawn in the step.

    Args:
        dropout: The share of activations that dropout takes.
        draws: The generators of the main process that the weight is drawn from.
        ballast: Numbers that only make checkpoints larger, and so writing them longer.
    """

    def __init__(self, dropout: float, draws: Literal["none", "python", "numpy", "both"], ballast: int) -> None:
        super().__init__()
        self.draws = draws
        self.body = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3)
        )
        self.register_buffer("ballast", torch.arange(ballast, dtype=torch.float32))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, mode: str = "tensor") -> Any:
        if mode != "loss":
            return self.body(inputs).argmax(1)
        mixed = 1.0
        if self.draws in {"numpy", "both"}:
            mixed *= float(np.random.beta(0.4, 0.4))
        if self.draws in {"python", "both"}:
            mixed *= random.random()
        if self.draws != "none":
            inputs = inputs + mixed * inputs.roll(1, 0)
        return {"loss": (nn.functional.cross_entropy(self.body(inputs), labels, reduction="none") * weights).mean()}


@DATASETS.register_module()
class Shaken(Dataset[tuple[torch.Tensor, int, float]]):
    """Samples that one generator, or all three, shake.

    Args:
        samples: How many.
        augmentation: The generators.
        is_poisoned: Whether the loss of one sample is no number.
    """

    def __init__(
        self, samples: int, augmentation: Literal["none", "python", "numpy", "torch", "all"], is_poisoned: bool = False
    ) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(samples, 6, generator=generator)
        self.labels = (self.inputs[:, 0] > 0).long() + (self.inputs[:, 1] > 0).long()
        self.augmentation = augmentation
        self.is_poisoned = is_poisoned

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, float]:
        sample = self.inputs[index]
        if self.augmentation in {"torch", "all"}:
            sample = sample + 0.3 * torch.randn(6)
        if self.augmentation in {"python", "all"}:
            sample = sample * random.uniform(0.8, 1.2)
        if self.augmentation in {"numpy", "all"}:
            sample = sample + float(np.random.normal(0, 0.1))
        return sample, int(self.labels[index]), float("nan") if self.is_poisoned and index == POISONED else 1.0


@METRICS.register_module()
class Share(BaseMetric):
    """The share of right answers."""

    def process(self, data_batch: Any, data_samples: list[torch.Tensor]) -> None:
        self.results += [float(right) for right in data_batch[1] == torch.stack(data_samples)]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"share": sum(results) / len(results)}


@HOOKS.register_module()
class Forgetful(Hook):
    """Counts, and changes the weights by it, and tells no checkpoint: a run with it does not go on exactly."""

    count = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.count += 1
        with torch.no_grad():
            runner.unwrapped_model.body[0].bias.add_(1e-6 * self.count)
