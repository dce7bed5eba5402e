"""A model, a data set and a hook that leave nothing to chance but what is drawn from the generators."""

from __future__ import annotations

import os
import random
import signal
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
class Mixing(BaseModel):
    """Dropout draws from torch's generator in the step, the mixing weight from NumPy's and Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            weight = float(np.random.beta(0.4, 0.4)) * random.random()
            inputs = inputs + weight * inputs.roll(1, 0)
            return {"loss": nn.functional.cross_entropy(self.body(inputs), labels)}
        return self.body(inputs).argmax(1)


@DATASETS.register_module()
class Augmented(Dataset[tuple[torch.Tensor, int]]):
    """Each sample is shaken by Python's, NumPy's and torch's generators."""

    def __init__(self, samples: int = 50) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(samples, 6, generator=generator)
        self.labels = torch.randint(3, (samples,), generator=generator)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        noise = torch.randn(6) * random.random() + float(np.random.normal())
        return self.inputs[index] + 0.1 * noise, int(self.labels[index])


@METRICS.register_module()
class Share(BaseMetric):
    """The share of right answers."""

    def process(self, data_batch: Any, data_samples: list[torch.Tensor]) -> None:
        self.results += [float(right) for right in data_batch[1] == torch.stack(data_samples)]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"share": sum(results) / len(results)}


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process as a kernel short of memory would.

    Args:
        at: The iteration, counted from 1 over the whole run, at whose end it happens; 0 never.
        point: After the iteration's hooks, or after those of the epoch that it ends.
    """

    priority = "LOWEST"

    def __init__(self, at: int = 0, point: Literal["iter", "epoch"] = "iter") -> None:
        self.at = at
        self.point = point

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.point == "iter" and runner.iter + 1 == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_train_epoch(self, runner: Runner) -> None:
        if self.point == "epoch" and runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
