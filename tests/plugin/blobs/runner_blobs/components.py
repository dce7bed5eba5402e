from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from runner.evaluator import BaseMetric
from runner.hooks import Hook
from runner.loops import EpochBasedTrainLoop
from runner.model import BaseModel


class Blobs(Dataset):
    """Two clouds of points.

    Args:
        size: How many points.
        distance: How far the clouds are apart.
    """

    def __init__(self, size: int = 8, distance: float = 4.0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(size) % 2
        self.points = torch.randn(size, 2, generator=generator) + distance * self.labels[:, None]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index):
        return self.points[index], self.labels[index]


class Line(BaseModel):
    """A line between them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, points, labels, mode="tensor"):
        scores = self.linear(points)
        return {"loss": nn.functional.cross_entropy(scores, labels)} if mode == "loss" else scores


class Hits(BaseMetric):
    """The share of points on their own side."""

    def process(self, data_batch, data_samples):
        self.results += [
            bool(scores.argmax() == label) for scores, label in zip(data_samples, data_batch[1], strict=True)
        ]

    def compute_metrics(self, results):
        return {"hits": sum(results) / len(results)}


class PatientTrainLoop(EpochBasedTrainLoop):
    """Train by epochs, and end before the last.

    Args:
        patience: After how many epochs.
    """

    def __init__(self, runner, dataloader, patience: int = 2, **kwargs) -> None:
        super().__init__(runner, dataloader, **kwargs)
        self.patience = patience

    def finish_epoch(self) -> None:
        super().finish_epoch()
        self.stop_training = self.epoch >= self.patience


class NoteHook(Hook):
    """Write down what was trained and measured.

    Args:
        file: The note's name in the work directory.
    """

    def __init__(self, file: str = "note.json") -> None:
        self.file = file
        self.metrics: dict[str, float] = {}

    def after_val_epoch(self, runner, metrics=None) -> None:
        self.metrics = dict(metrics or {})

    def after_run(self, runner) -> None:
        note = {"epochs": runner.epoch, "loop": type(runner.train_loop).__name__, "metrics": self.metrics}
        Path(runner.work_dir, self.file).write_text(json.dumps(note), encoding="utf-8")
