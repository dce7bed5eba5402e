"""A small run in which a rank fails, waits, or finds that it can write no more, at a place that the config chooses."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import distributed, nn
from torch.utils.data import Dataset

from runner import Hook, Runner
from runner.dist import get_rank
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.registry import DATASETS, HOOKS, METRICS, MODELS


def note(name: str) -> None:
    """Write down that it has come to this, for the test to see when."""
    Path(os.environ["NOTES"], name).write_text(str(os.getpid()), encoding="utf-8")


@MODELS.register_module()
class Failing(BaseModel):
    """Dropout draws from torch's generator in the step, the mixing weight from NumPy's and Python's.

    Args:
        at: The forward pass, from 1, that fails; 0 for none.
        rank: The rank that fails; -1 for all.
        others: What the others do then: their step, nothing for a minute, a collective operation of their own, or fail too.
    """

    def __init__(self, at: int = 0, rank: int = 1, others: Literal["step", "busy", "gather", "fail"] = "step") -> None:
        super().__init__()
        self.at, self.rank, self.others = at, rank, others
        self.passes = 0
        self.body = nn.Sequential(nn.Linear(6, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.4), nn.Linear(64, 3))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor") -> Any:
        if mode != "loss":
            return self.body(inputs).argmax(1)
        self.passes += 1
        if self.passes == self.at:
            self.fail()
        weight = float(np.random.beta(0.4, 0.4)) * random.random()
        return {"loss": nn.functional.cross_entropy(self.body(inputs + weight * inputs.roll(1, 0)), labels)}

    def fail(self) -> None:
        if get_rank() == self.rank or self.rank < 0:
            note(f"failed{get_rank()}")
            raise ValueError("this batch is not as it should be")
        if self.others == "busy":
            time.sleep(120)
        elif self.others == "fail":
            raise ValueError("this batch is not as it should be either")
        elif self.others == "gather":
            distributed.all_reduce(torch.ones(1))


@DATASETS.register_module()
class Augmented(Dataset[tuple[torch.Tensor, int]]):
    """Each sample is shaken by Python's, NumPy's and torch's generators.

    Args:
        samples: How many.
        broken: The sample that can't be read on rank 1.
        killed: The sample at which the worker of rank 1 is killed, as by the kernel.
    """

    def __init__(self, samples: int = 50, broken: int = -1, killed: int = -1) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(samples, 6, generator=generator)
        self.labels = torch.randint(3, (samples,), generator=generator)
        self.broken, self.killed = broken, killed

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if os.environ.get("RANK", "1") == "1" and index in {self.broken, self.killed}:
            note("failed1")
            if index == self.killed:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyError(f"sample {index}")
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
class FaultHook(Hook):
    """Lets writing fail from one iteration on until another, or dies amid a save.

    Args:
        fault: `full`: no file can grow beyond half a checkpoint, as on a full disk; `read-only`: the work directory can't
            be written to; `wait`: nothing happens for a quarter of an hour; `flush`, `rename`: killed as by `kill -9` in the next save,
            before its file is flushed, or before it has its name.
        begin: Finished iterations.
        end: Finished iterations.
    """

    def __init__(
        self,
        fault: Literal["none", "full", "read-only", "wait", "flush", "rename"] = "none",
        begin: int = 10,
        end: int = 20,
    ) -> None:
        self.fault, self.begin, self.end = fault, begin, end

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == self.begin and self.fault != "none":
            note("begun")
            self.strike(Path(runner.work_dir))
        elif runner.iter == self.end:
            self.lift(Path(runner.work_dir))

    def strike(self, work_dir: Path) -> None:
        if self.fault == "full":
            size = max(path.stat().st_size for path in work_dir.glob("*.pth")) // 2
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        elif self.fault == "read-only":
            work_dir.chmod(0o555)
        elif self.fault == "wait":
            time.sleep(900)
        else:
            names = ("fsync",) if self.fault == "flush" else ("rename", "replace")
            for name in names:
                setattr(os, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))

    def lift(self, work_dir: Path) -> None:
        if self.fault == "full":
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        elif self.fault == "read-only":
            work_dir.chmod(0o755)
