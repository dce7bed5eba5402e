"""How long training stands still for a checkpoint, written at once or in the background, and what a step then takes.

    python benchmarks/async_save.py [MEGABYTES] [--device cpu|cuda]

A state of some 200 MB: a model and Adam's two averages. Each way saves a few times amid steps of a fixed length; a stall is
what `save_checkpoint` takes, a step is timed from its begin to its end, while a checkpoint is being written and while none is.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from runner import Hook, Runner
from runner.checkpoint.saver import SaveOptions
from runner.model import BaseModel

LAYERS, SAVES, STEPS_BETWEEN = 16, 4, 25


class Wide(BaseModel):
    """Layers of equal size."""

    def __init__(self, megabytes: float) -> None:
        super().__init__()
        width = int((megabytes * 1e6 / 4 / 3 / LAYERS) ** 0.5)
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(LAYERS))
        self.width = width

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        hidden = inputs.expand(-1, self.width)
        for layer in self.layers:
            hidden = layer(hidden)
        return {"loss": hidden.square().mean()}


class Measure(Hook):
    """Saves every so many steps, and times saves and steps."""

    priority = "LOWEST"

    def __init__(self, *, background: bool | None, every: int = STEPS_BETWEEN) -> None:
        self.background, self.every = background, every
        self.stalls: list[float] = []
        self.steps: list[float] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.started = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if runner.device.type == "cuda":
            torch.cuda.synchronize()
        self.steps.append(time.perf_counter() - self.started)
        if self.background is not None and runner.iter % self.every == 0:
            started = time.perf_counter()
            runner.save_checkpoint(runner.work_dir, "state.pth", options=SaveOptions(background=self.background))
            self.stalls.append(time.perf_counter() - started)


def train(measure: Measure, megabytes: float, folder: str, **options: Any) -> Measure:
    """Train for as long as it takes to save often enough.

    Args:
        measure: Saves and takes the times.
        megabytes: Of the state.
        folder: The work directory.
        **options: Further ones of the Runner.
    """
    runner = Runner(
        model=Wide(megabytes),
        work_dir=folder,
        train_dataloader={
            "dataset": TensorDataset(torch.randn(8, 1)),
            "batch_size": 8,
            "sampler": {"type": "InfiniteSampler"},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": False, "max_iters": SAVES * measure.every},
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 1e-4, "foreach": True}},
        default_hooks={"checkpoint": None, "logger": None},
        custom_hooks=[measure],
        randomness={"seed": 0},
        log_level="ERROR",
        **options,
    )
    runner.train()
    runner.close()
    return measure


def turns(ways: list[str]) -> list[str]:
    """Each way three times, at another place each time, so that a machine whose speed drifts favours none of them."""
    return [name for first in range(len(ways)) for name in (*ways[first:], *ways[:first])]


def report(stalls: dict[str, list[float]], steps: dict[str, list[float]]) -> None:
    """Print the medians, and how they compare."""
    stall = {name: statistics.median(each) if each else 0.0 for name, each in stalls.items()}
    step = {name: statistics.median(each) for name, each in steps.items()}
    for name, each in steps.items():
        sys.stdout.write(
            f"{name:11} stall {stall[name] * 1e3:8.1f} ms; step {step[name] * 1e3:.2f} ms at the median of {len(each)}\n"
        )
    sys.stdout.write(
        f"stall: {stall['background'] / stall['at once']:.3f} of one at once; "
        f"step at the median: {step['background'] / step['none']:.3f} of one in a run without saves, "
        f"{step['background'] / step['at once']:.3f} of one with saves at once\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("megabytes", nargs="?", type=float, default=200)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    ways = {"none": None, "at once": False, "background": True}
    stalls: dict[str, list[float]] = {name: [] for name in ways}
    firsts: dict[str, list[float]] = {name: [] for name in ways}
    steps: dict[str, list[float]] = {name: [] for name in ways}
    for name in turns(list(ways)):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            measure = train(Measure(background=ways[name]), given.megabytes, folder, device=given.device)
        # The first save makes the memory that the others use again.
        firsts[name] += measure.stalls[:1]
        stalls[name] += measure.stalls[1:]
        steps[name] += measure.steps
    for name, each in firsts.items():
        if each:
            sys.stdout.write(f"{name:11} the first stall {statistics.median(each) * 1e3:.1f} ms\n")
    report(stalls, steps)


if __name__ == "__main__":
    main()
