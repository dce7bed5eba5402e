"""Resumes near the start and near the end of an epoch of a million batches: both read the next batch and no other.

    python tests/torture/far.py

prints a row a sampler, and exits with 1 where the one takes a second longer than the other, or a sample is read that was
seen before. A batch sampler without `seek` is gone through, without reading: what that takes is what the sampler takes.
The last row is of one that goes through 7,200,000 indices itself, one by one: it is measured, not judged.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn
from torch.utils.data import BatchSampler, Dataset

from runner import Hook, Runner
from runner.model import BaseModel
from runner.registry import DATA_SAMPLERS

BATCH, BATCHES = 8, 1_000_000
NEAR, FAR = 10, 900_000
UNJUDGED = "one that goes through indices"
ALLOWED = 1.0
"""Seconds that the far one may take longer."""


class Vast(Dataset[torch.Tensor]):
    """As many samples as take no memory, and a list of those that were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return BATCH * BATCHES

    def __getitem__(self, index: int) -> torch.Tensor:
        self.read.append(index)
        return torch.tensor([float(index)])


@DATA_SAMPLERS.register_module(force=True)
class Skipping(BatchSampler):
    """A batch sampler as a plugin may bring one: every batch from another end of the data."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.start = 0

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[list[int]]:
        start, self.start = self.start, 0
        for batch in range(start, BATCHES):
            place = batch if batch % 2 else BATCHES - 2 - batch
            yield list(range(place * BATCH, (place + 1) * BATCH))

    def seek(self, samples: int) -> None:
        self.start = samples // BATCH


@DATA_SAMPLERS.register_module(force=True)
class Plodding(Skipping):
    """The same without `seek` being heeded."""

    def __iter__(self) -> Iterator[list[int]]:
        yield from super().__iter__()


@DATA_SAMPLERS.register_module(force=True)
class Collecting(BatchSampler):
    """Collects the indices of its sampler one by one, as one does that looks at each sample's shape."""

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []


@DATA_SAMPLERS.register_module(force=True)
class Renamed(BatchSampler):
    """Makes its batches as torch's does."""


class Tiny(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.layer(inputs / (BATCH * BATCHES)).mean()}


class OneStep(Hook):
    """Notes when the first step is done, and stops there."""

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.done, self.batch = time.perf_counter(), data_batch.flatten().long().tolist()
        raise KeyboardInterrupt


LOADERS: dict[str, dict[str, Any]] = {
    "DefaultSampler": {"batch_size": BATCH, "sampler": {"type": "DefaultSampler", "shuffle": True}},
    "InfiniteSampler": {"batch_size": BATCH, "sampler": {"type": "InfiniteSampler", "shuffle": True}},
    "a batch sampler with seek": {"batch_size": BATCH, "batch_sampler": {"type": "Skipping"}},
    "a batch sampler without": {"batch_size": BATCH, "batch_sampler": {"type": "Plodding"}},
    "one derived from torch's": {"batch_size": BATCH, "batch_sampler": {"type": "Renamed", "drop_last": False}},
    UNJUDGED: {"batch_size": BATCH, "batch_sampler": {"type": "Collecting", "drop_last": False}},
}


def runner_of(name: str, work_dir: Path, dataset: Vast, *hooks: Hook, resume: str | bool = False) -> Runner:
    """A Runner over the data."""
    endless = name == "InfiniteSampler"
    sampler = {} if "sampler" in LOADERS[name] else {"sampler": {"type": "DefaultSampler", "shuffle": False}}
    return Runner(
        model=Tiny(),
        work_dir=str(work_dir),
        train_dataloader={"dataset": dataset, "collate_fn": "default_collate", **sampler, **LOADERS[name]},
        train_cfg={"by_epoch": False, "max_iters": BATCHES} if endless else {"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        param_scheduler={"type": "CosineAnnealingLR", "by_epoch": False, "T_max": BATCHES},
        custom_hooks=list(hooks),
        randomness={"seed": 0},
        resume=resume,
        device="cpu",
        log_level="ERROR",
    )


def save_at(name: str, batch: int, work_dir: Path) -> Path:
    """A checkpoint of a run that has taken so many steps."""
    runner = runner_of(name, work_dir, Vast())
    loop: Any = runner.prepare_training()
    loop.restore(0, batch)
    loop.dataloader.seek(0, batch * BATCH)
    runner.save_checkpoint(str(work_dir), f"at{batch}.pth")
    runner.close()
    return work_dir / f"at{batch}.pth"


def resumed(name: str, checkpoint: Path, work_dir: Path) -> tuple[float, list[int], list[int]]:
    """Seconds until the first step of a resumed run is done, what was read for it, and its batch."""
    dataset, hook = Vast(), OneStep()
    started = time.perf_counter()
    runner = runner_of(name, work_dir, dataset, hook, resume=str(checkpoint))
    try:
        runner.train()
    except KeyboardInterrupt:
        pass
    finally:
        runner.close()
    return hook.done - started, dataset.read, hook.batch


def expected(name: str, batch: int) -> list[int]:
    """The samples of the batch that comes after so many."""
    part = slice(batch * BATCH, (batch + 1) * BATCH)
    if "Sampler" in name:
        return torch.randperm(BATCH * BATCHES, generator=torch.Generator().manual_seed(0))[part].tolist()
    place = batch if batch % 2 or name.startswith("one") else BATCHES - 2 - batch
    return list(range(place * BATCH, (place + 1) * BATCH))


def tell(line: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Measure; 0 if no sampler takes too long (with `--no-limit` however long) or reads too much."""
    names = [argument for argument in arguments if argument != "--no-limit"]
    allowed = ALLOWED if names == arguments else float("inf")
    torch.set_num_threads(1)
    failed = False
    tell(
        f"| sampler | resumed at batch {NEAR:,} | at batch {FAR:,} | samples read | |\n| --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in names or LOADERS:
            times, reads, is_right = [], [], True
            for batch in (
                NEAR,
                NEAR,
                FAR,
                NEAR,
                FAR,
            ):  # the first warms up; the machine may be busy with something else
                work_dir = Path(folder, name.replace(" ", "-"))
                seconds, read, given = resumed(name, save_at(name, batch, work_dir), work_dir)
                times.append(seconds)
                reads.append(len(read))
                is_right = is_right and sorted(read) == sorted(given) == sorted(expected(name, batch))
            is_judged = name != UNJUDGED
            near, far = min(times[1::2]), min(times[2::2])
            is_fine = is_right and (far - near < allowed or not is_judged)
            failed |= not is_fine
            outcome = "ok" if is_fine and is_judged else "not judged" if is_fine else "WRONG"
            tell(f"| {name} | {near:.2f} s | {far:.2f} s | {reads[2]} | {outcome} |")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
