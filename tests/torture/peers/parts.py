"""What all frameworks train: one data set, one network, and a trace of each batch that was trained on.

Nothing here knows a framework, but for each to call `Net.loss` and `Net.predict`.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

__all__ = ["BATCH", "SEED", "TRACE", "Net", "Samples", "Spec", "save_final", "score"]

BATCH = 8
SEED = 7
BEST = 14.0
"""The score is best for the network that was trained on so many batches."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One launch.

    Attributes:
        folder: The run's own; a launch resumes from what is there.
        trace: Takes the launch's trace.
        epochs: Passes over the data.
        batches: Batches a pass.
        save_every: Steps of the optimizer between two checkpoints.
        keep: How many checkpoints stay; None for all.
        workers: Processes that read the data.
        augmentation: The generator that shakes a sample: none, python, numpy, torch.
        dropout: Its share.
        draws: Whether the model mixes its input by Python's and NumPy's generators.
        accumulation: Batches a step.
        ema: Whether an average of the weights is kept.
        early_stopping: Whether the run ends three validations after the best score.
        best: Whether the best checkpoint is kept.
        validation: Whether the run validates: no, plain, draws.
        ballast: Numbers that make a checkpoint larger.
        pause: Seconds that a batch takes longer.
        typo: The setting that is misspelt.
        is_helped: Whether a framework gets the help that it needs to load its own checkpoints.
    """

    folder: str
    trace: str = ""
    epochs: int = 4
    batches: int = 12
    save_every: int = 5
    keep: int | None = None
    workers: int = 0
    augmentation: str = "none"
    dropout: float = 0.0
    draws: bool = False
    accumulation: int = 1
    ema: bool = False
    early_stopping: bool = False
    best: bool = False
    validation: str = "plain"
    ballast: int = 0
    pause: float = 0.0
    typo: str = ""
    is_helped: bool = True

    @property
    def steps(self) -> int:
        """Batches that are trained on."""
        return self.epochs * self.batches

    def name(self, right: str, wrong: str) -> str:
        """A setting's name, misspelt where that is wanted."""
        return wrong if self.typo == right else right

    def but(self, **changes: Any) -> Spec:
        """A copy with changes."""
        return replace(self, **changes)

    def write(self, path: Path) -> Path:
        """Write it down."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: str | Path) -> Spec:
        """Read it back."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


class Trace:
    """Lines of a launch: where it went on from, then each batch. A line is on its way to the disk once it is written."""

    def __init__(self) -> None:
        self.file: int | None = None
        self.reads = 0

    def open(self, path: str) -> None:
        """Begin."""
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.reads = 0

    def start(self, step: int) -> None:
        """Note the batches that count as trained on when the training begins."""
        self._line({"start": step})

    def batch(self, indices: torch.Tensor, loss: torch.Tensor) -> None:
        """Note a batch that is trained on."""
        self._line({"ids": indices.tolist(), "loss": float(loss).hex(), "reads": self.reads, "at": time.monotonic()})

    def _line(self, content: dict[str, Any]) -> None:
        if self.file is not None:
            os.write(self.file, (json.dumps(content) + "\n").encode())


TRACE = Trace()
"""The launch's own: a process is one launch."""


class Samples(Dataset[dict[str, torch.Tensor]]):
    """Samples that a generator shakes.

    Args:
        spec: What is trained.
        is_training: Whether the data is that of training; else it is shaken only where validation is to draw.
    """

    def __init__(self, spec: Spec, *, is_training: bool) -> None:
        generator = torch.Generator().manual_seed(1)
        self.count = spec.batches * BATCH if is_training else 2 * BATCH
        self.inputs = torch.randn(min(self.count, 4096), 6, generator=generator)
        self.is_training = is_training
        self.augmentation = spec.augmentation if is_training else "all" if spec.validation == "draws" else "none"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self.is_training:
            TRACE.reads += 1
        sample = self.inputs[index % len(self.inputs)]
        label = (sample[0] > 0).long() + (sample[1] > 0).long()
        if self.augmentation in {"torch", "all"}:
            sample = sample + 0.3 * torch.randn(6)
        if self.augmentation in {"python", "all"}:
            sample = sample * random.uniform(0.8, 1.2)
        if self.augmentation in {"numpy", "all"}:
            sample = sample + float(np.random.normal(0, 0.1))
        return {"inputs": sample, "labels": label, "index": torch.tensor(index)}


class Net(nn.Module):
    """Batch norm, dropout, and an input that may be mixed by a weight drawn in the step.

    Args:
        spec: What is trained.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.body = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(spec.dropout), nn.Linear(16, 3)
        )
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("ballast", torch.arange(spec.ballast, dtype=torch.float32))

    def loss(self, inputs: torch.Tensor, labels: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, which is noted."""
        if self.spec.draws:
            inputs = inputs + random.random() * float(np.random.beta(0.4, 0.4)) * inputs.roll(1, 0)
        self.seen += 1
        loss = nn.functional.cross_entropy(self.body(inputs), labels)
        TRACE.batch(index, loss.detach())
        time.sleep(self.spec.pause)
        return loss

    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        """How many batches the network was trained on, for each sample: what the score is made of."""
        return self.seen.expand(len(inputs)).clone()


def score(seen: float) -> float:
    """The score of a network; more is better."""
    return -abs(seen - BEST)


def save_final(spec: Spec, model: nn.Module, average: nn.Module | None = None) -> None:
    """Write down what a run ended with."""
    found = {f"model.{name}": value for name, value in model.state_dict().items()}
    if average is not None:
        found |= {f"average.{name}": value for name, value in average.state_dict().items()}
    torch.save({name: value.detach().clone() for name, value in found.items()}, Path(spec.folder) / "final.pt")
