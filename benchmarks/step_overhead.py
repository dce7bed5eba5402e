"""What the Runner adds to a training step, against the bare PyTorch loop, in one process and one run.

    python benchmarks/step_overhead.py [--repetitions 10] [--steps 4000]

A 64-128-10 perceptron, batch 64, SGD, one thread, all default hooks on. The two loops take turns; what counts is the
ratio of the medians. Further runs, with clocks around the parts, show where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from step_parts import FORWARD, READING, UPDATE, ClockHook, Clocks, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from runner import Hook, Runner
from runner.model import BaseModel

BATCH = 64


class Perceptron(BaseModel):
    """64 inputs, 128 hidden units, 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor | None = None, mode: str = "tensor") -> Any:
        logits = self.layers(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


class Stopwatch(Hook):
    """Times the training loop from its first hook point to its last, checkpoint and log included."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def before_train(self, runner: Runner) -> None:
        self._start = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        self.seconds = time.perf_counter() - self._start


def loader(steps: int, workers: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(steps * BATCH, 64, generator=generator)
    labels = torch.randint(10, (steps * BATCH,), generator=generator)
    return DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True, num_workers=workers)


def bare(steps: int, workers: int) -> float:
    """Seconds of the loop that a person would write."""
    torch.manual_seed(0)
    model = Perceptron().layers
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = loader(steps, workers)
    start = time.perf_counter()
    model.train()
    for inputs, labels in data:
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def bare_with_clocks(steps: int, workers: int, clocks: Clocks) -> None:
    """The same loop, its parts timed."""
    model = Perceptron().layers
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = loader(steps, workers)

    def forward(inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(model(inputs), labels)

    def update(loss: torch.Tensor) -> None:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    forward, update = clocks.on(FORWARD, forward), clocks.on(UPDATE, update)
    for inputs, labels in clocks.each(READING, data):
        loss = forward(inputs, labels)
        update(loss)


def framework(steps: int, workers: int, *hooks: Hook) -> float:
    """Seconds of the same by the Runner."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        runner = Runner(
            model=Perceptron(),
            work_dir=folder,
            train_dataloader=loader(steps, workers),
            train_cfg={"by_epoch": True, "max_epochs": 1},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
            custom_hooks=[watch, *hooks],
            randomness={"seed": 0},
            device="cpu",
        )
        runner.train()
        runner.close()
    return watch.seconds


def compare(name: str, steps: int, repetitions: int, workers: int) -> None:
    """Print the ratio of the medians, with its spread."""
    rows: dict[Callable[[int, int], float], list[float]] = {bare: [], framework: []}
    for repetition in range(repetitions + 1):
        for function, seconds in rows.items():
            taken = function(steps, workers)
            if repetition:  # the first is a warm-up
                seconds.append(taken)
    ratios = sorted(ours / theirs for ours, theirs in zip(rows[framework], rows[bare], strict=True))
    ours, theirs = (statistics.median(rows[function]) for function in (framework, bare))
    print(
        f"{name}: ratio {ours / theirs:.3f} (pairs {ratios[0]:.3f} to {ratios[-1]:.3f}), "
        f"bare {1e6 * theirs / steps:.0f} us a step, Runner {1e6 * ours / steps:.0f} us, "
        f"load of the machine {os.getloadavg()[0]:.1f}"
    )


def show_parts(steps: int, repetitions: int, workers: int) -> None:
    """Print where the time goes, measured in runs of its own."""
    ours, theirs = [], []
    for _ in range(repetitions):
        theirs.append(Clocks())
        bare_with_clocks(steps, workers, theirs[-1])
        ours.append(Clocks())
        framework(steps, workers, ClockHook(ours[-1]))
    print(table(ours, theirs, steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for workers in options.workers:
        compare(f"{workers} workers", options.steps, options.repetitions, workers)
        show_parts(options.steps, max(1, options.repetitions // 3), workers)


if __name__ == "__main__":
    main()
