"""What the Runner adds to a training step, against the bare PyTorch loop, in one process and one run.

    python benchmarks/step_overhead.py [--repetitions 10] [--steps 4000] [--workers 0 2] [--control]

A 64-128-10 perceptron, batch 64, SGD, one thread, all default hooks on. The two loops take turns of 100 steps;
what counts is the ratio of their times over a whole run. `--control` puts a second bare loop in the Runner's place, which
shows how far off a ratio may be: a good deal with workers, where more processes run than a small machine has cores.
Further runs, with clocks around the parts, show where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from step_parts import FORWARD, READING, UPDATE, ClockHook, Clocks, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from runner import Hook, Runner
from runner.hooks import LoggerHook
from runner.model import BaseModel

BATCH = 64
BLOCK = 100
"""Steps of a turn."""

LINE_SECONDS = inspect.signature(LoggerHook).parameters["min_line_seconds"].default
"""From one line of the log to the next, by default."""


class Perceptron(BaseModel):
    """64 inputs, 128 hidden units, 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor | None = None, mode: str = "tensor") -> Any:
        logits = self.layers(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels)} if mode == "loss" else logits


class Turns(Hook):
    """Lets the bare loop take as many steps after every `BLOCK` of the Runner's, and times both.

    Turns this short see the same machine, however its speed drifts. The Runner's time goes from the first hook point of
    its training to the last, checkpoint and log included.

    Args:
        bare: Takes its next steps whenever it is asked for more.
    """

    priority = "LOWEST"

    def __init__(self, bare: Iterator[None]) -> None:
        self.ours: list[float] = []
        self.bare: list[float] = []
        self._bare = bare
        self._start = 0.0
        next(bare)

    def before_train(self, runner: Runner) -> None:
        self._start = time.perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if (batch_idx + 1) % BLOCK == 0:
            self._change()

    def after_train(self, runner: Runner) -> None:
        self._change()

    def _change(self) -> None:
        end = time.perf_counter()
        next(self._bare, None)
        start = time.perf_counter()
        self.ours.append(end - self._start)
        self.bare.append(start - end)
        self._start = start


def loader(steps: int, workers: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(steps * BATCH, 64, generator=generator)
    labels = torch.randint(10, (steps * BATCH,), generator=generator)
    return DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True, num_workers=workers)


def bare(data: DataLoader[Any], turn: int = BLOCK) -> Iterator[None]:
    """The loop that a person would write; yields before the first step, and after every `turn`."""
    torch.manual_seed(0)
    model = Perceptron().layers
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    yield
    for number, (inputs, labels) in enumerate(data, 1):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if number % turn == 0:
            yield


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


def framework(steps: int, workers: int, hook: Hook, line_seconds: float = LINE_SECONDS) -> None:
    """The same by the Runner."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        runner = Runner(
            model=Perceptron(),
            work_dir=folder,
            train_dataloader=loader(steps, workers),
            train_cfg={"by_epoch": True, "max_epochs": 1},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
            default_hooks={"logger": {"type": "LoggerHook", "min_line_seconds": line_seconds}},
            custom_hooks=[hook],
            randomness={"seed": 0},
            device="cpu",
        )
        runner.train()
        runner.close()


def in_turns(steps: int, workers: int, hook: Hook) -> None:
    """The Runner where half of the seconds are another loop's: as many steps from line to line as it has alone."""
    framework(steps, workers, hook, 2 * LINE_SECONDS)


def control(steps: int, workers: int, hook: Hook) -> None:
    """The bare loop in the Runner's place."""
    nobody: Any = None
    turns = bare(loader(steps, workers), turn=1)
    next(turns)
    hook.before_train(nobody)
    for batch_idx, _ in enumerate(turns):
        hook.after_train_iter(nobody, batch_idx)
    hook.after_train(nobody)


def compare(
    name: str, steps: int, repetitions: int, workers: int, measured: Callable[[int, int, Hook], None] = in_turns
) -> None:
    """Print the ratio of the Runner's time to the bare loop's, with its spread."""
    ratios, ours, theirs = [], [], []
    for repetition in range(repetitions + 1):
        turns = Turns(bare(loader(steps, workers)))
        measured(steps, workers, turns)
        if repetition:  # the first is a warm-up
            ratios.append(sum(turns.ours) / sum(turns.bare))
            ours += turns.ours
            theirs += turns.bare
    ratios.sort()
    blocks = statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
    print(
        f"{name}: ratio {statistics.median(ratios):.3f} (runs {ratios[0]:.3f} to {ratios[-1]:.3f}, "
        f"median of {BLOCK} steps {blocks:.3f}), bare {1e6 * sum(theirs) / steps / repetitions:.0f} us a step, "
        f"{'Runner' if measured is in_turns else 'the same'} {1e6 * sum(ours) / steps / repetitions:.0f} us, "
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
    parser.add_argument("--control", action="store_true", help="compare the bare loop with itself too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for workers in options.workers:
        compare(f"{workers} workers", options.steps, options.repetitions, workers)
        if options.control:
            compare(f"{workers} workers, control", options.steps, options.repetitions, workers, control)
        show_parts(options.steps, max(1, options.repetitions // 3), workers)


if __name__ == "__main__":
    main()
