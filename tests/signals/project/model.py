"""A model and a data set that draw from every generator, and hooks that make places of the run long, or its end."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
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
    """Dropout draws from torch's generator in the step, the mixing weight from NumPy's and Python's.

    Args:
        fails: Fail in the first step.
    """

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        if self.fails:
            raise RuntimeError("this model fails")
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


@DATASETS.register_module()
class Waiting(Augmented):
    """Keeps the loader waiting for a minute at the sample that is read after so many.

    Args:
        after: Samples that are read at once.
    """

    def __init__(self, after: int = 0) -> None:
        super().__init__()
        self.after = after
        self.read = 0

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.read += 1
        if self.read > self.after and "WAIT" in os.environ:
            pause(Path(os.environ["WAIT"]), seconds=60)
        return super().__getitem__(index)


@HOOKS.register_module()
class PauseHook(Hook):
    """Makes a point of the run take half a second, and says so by a file.

    Args:
        point: Where.
        at: After so many finished iterations.
        rank: Where to, of the ranks.
    """

    def __init__(
        self, point: Literal["step", "save", "val", "start", "never"] = "never", at: int = 0, rank: int = 0
    ) -> None:
        self.point = point
        self.at = at
        self.rank = rank

    def _pause(self, runner: Runner, point: str, finished: int) -> None:
        if self.point == point and finished == self.at and runner.rank == self.rank:
            pause(Path(runner.work_dir, "pausing"))

    def before_run(self, runner: Runner) -> None:
        self._pause(runner, "start", runner.iter)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._pause(runner, "step", runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._pause(runner, "save", checkpoint["meta"]["iter"])

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if batch_idx == 3:
            self._pause(runner, "val", runner.iter)


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


def pause(file: Path, seconds: float = 0.5) -> None:
    """Be busy for a while, once."""
    if not file.exists():
        file.write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(seconds)
