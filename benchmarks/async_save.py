"""How long training stands still for a checkpoint, written at once or in the background, and what a step then takes.

    python benchmarks/async_save.py [MEGABYTES] [--device cpu|cuda]

A state of some 200 MB: a model and Adam's two averages. A stall is what `save_checkpoint` takes, a step is timed from its
begin to its end. Stretches of steps that begin with a save and stretches without one take turns, so that a machine whose
speed drifts, which it does by more than this is about, favours neither.
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

LAYERS, SAVES, STEPS_BETWEEN = 16, 8, 25
WAYS = {"at once": False, "background": True}


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
    """Saves before every other stretch of so many steps, and times saves and steps."""

    priority = "LOWEST"

    def __init__(self, *, background: bool, every: int = STEPS_BETWEEN) -> None:
        self.background, self.every = background, every
        self.stalls: list[float] = []
        self.after_saves: list[float] = []
        self.others: list[float] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.started = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if runner.device.type == "cuda":
            torch.cuda.synchronize()
        stretch, step = divmod(runner.iter, self.every)
        if stretch:  # the first one warms up
            (self.after_saves if stretch % 2 else self.others).append(time.perf_counter() - self.started)
        if step == self.every - 1 and not stretch % 2:
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
        train_cfg={"by_epoch": False, "max_iters": (2 * SAVES + 1) * measure.every},
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


def report(measures: dict[str, Measure]) -> None:
    """Print the medians, and how they compare. The first save makes the memory that the others use again."""
    for name, each in measures.items():
        saving, without = statistics.median(each.after_saves), statistics.median(each.others)
        sys.stdout.write(
            f"{name:11} stall {1e3 * statistics.median(each.stalls[1:]):6.1f} ms, the first {1e3 * each.stalls[0]:6.1f} ms; "
            f"step at the median: {1e3 * saving:.2f} ms after saves, {1e3 * without:.2f} ms without, "
            f"{saving / without:.3f} of it\n"
        )
    stalls = [statistics.median(measures[name].stalls[1:]) for name in ("background", "at once")]
    sys.stdout.write(f"stall in the background: {stalls[0] / stalls[1]:.3f} of one at once\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("megabytes", nargs="?", type=float, default=200)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    measures = {}
    for name, background in WAYS.items():
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            measure = Measure(background=background)
            measures[name] = train(measure, given.megabytes, folder, device=given.device)
    report(measures)


if __name__ == "__main__":
    main()
