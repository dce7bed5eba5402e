"""What a user has beside a config: small enough to train in a moment, and able to fail everywhere."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import Dataset

from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import DATASETS, METRICS, MODELS


@DATASETS.register_module()
class ToySet(Dataset):
    """Eight points.

    Args:
        broken: Whether a sample can't be read.
    """

    def __init__(self, broken: bool = False):
        self.broken = broken

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if self.broken:
            raise LookupError("a bad sample")
        return torch.full((2,), float(index)), index % 2


@MODELS.register_module()
class ToyNet(BaseModel):
    """A linear layer.

    Args:
        broken: Where it fails.
    """

    def __init__(self, broken: str = ""):
        super().__init__()
        if broken == "init":
            raise LookupError("a bad start")
        self.broken = broken
        self.linear = nn.Linear(2, 2)

    def forward(self, points, labels, mode="tensor"):
        if self.broken == "forward":
            raise LookupError("a bad step")
        scores = self.linear(points)
        return {"loss": nn.functional.cross_entropy(scores, labels)} if mode == "loss" else scores


@METRICS.register_module()
class ToyCount(BaseMetric):
    """Counts samples."""

    def process(self, data_batch, data_samples):
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results):
        return {"count": len(results)}
