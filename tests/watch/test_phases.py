"""What takes long between steps, and is known to, is not taken for a hang; what is not known to is."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import Hook, Runner
from runner.evaluator import BaseMetric
from runner.model import BaseModel
from runner.watch import StopSignals, WatchHook
from runner.watch.watchdog import phase_limit

LIMIT, LONG = 1.5, 3.5


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        outputs = self.linear(inputs)
        return {"loss": outputs.square().mean()} if mode == "loss" else list(outputs)


class Slow(BaseMetric):
    """Takes long to compute, where it is to."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += list(data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        time.sleep(self.seconds)
        return {"samples": float(len(results))}


class Pause(Hook):
    """Takes long in a save, or between steps."""

    def __init__(self, place: str) -> None:
        self.place = place

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        time.sleep(LONG * (self.place == "save"))

    def before_val(self, runner: Runner) -> None:
        time.sleep(LONG * (self.place == "hook"))


class Watch(WatchHook):
    """Notes where the run was, in place of ending the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(LIMIT, StopSignals(), **options)
        self.found: list[str] = []

    def _end(self, silent: float) -> None:
        assert self._runner is not None
        self.found.append(self._place(self._runner, silent))
        self.close()


def run(folder: Path, place: str, **options: Any) -> list[str]:
    watch = Watch(**options)
    loader = {
        "dataset": TensorDataset(torch.randn(8, 3, generator=torch.Generator().manual_seed(1))),
        "batch_size": 4,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": "default_collate",
    }
    runner = Runner(
        model=Model(),
        work_dir=str(folder),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": 1},
        val_cfg={},
        val_evaluator=[Slow(LONG * (place == "metrics"))],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=[Pause(place), watch],
        randomness={"seed": 0},
        log_level="ERROR",
        device="cpu",
    )
    try:
        runner.train()
    finally:
        watch.close()
        runner.close()
    return watch.found


@pytest.mark.parametrize("place", ["metrics", "save"])
def test_metrics_and_saves_may_take_long(tmp_path: Path, place: str) -> None:
    assert run(tmp_path, place) == []


def test_other_work_between_steps_may_not(tmp_path: Path) -> None:
    (found,) = run(tmp_path, "hook")
    assert found.startswith("is in step 3; the last step ended ")


def test_where_a_limit_is_given_they_are_called_what_they_are(tmp_path: Path) -> None:
    (found,) = run(tmp_path, "metrics", phase_timeout=LIMIT)
    assert found.startswith("computes metrics after step 2, for ")


class Of:
    """A run, as far as its limits go."""

    def __init__(self, *, distributed: bool, **dist_cfg: Any) -> None:
        self.distributed = distributed
        self.env_cfg = {"dist_cfg": dist_cfg}


@pytest.mark.parametrize(
    ("of", "timeout", "given", "limit"),
    [
        (Of(distributed=False), 60.0, None, math.inf),
        (Of(distributed=False), 60.0, 90.0, 90.0),
        (Of(distributed=True), 60.0, None, 600.0),
        (Of(distributed=True, timeout=1200.0), 60.0, None, 1200.0),
        (Of(distributed=True), 900.0, None, 900.0),
        (Of(distributed=True), 60.0, 5.0, 5.0),
    ],
)
def test_the_limit_of_a_phase(of: Any, timeout: float, given: float | None, limit: float) -> None:
    assert phase_limit(of, timeout, given) == limit
