"""Runs, killed and resumed, of one framework; and how two of them differ."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from parts import Spec
from processes import Launch

__all__ = ["Bench", "Found", "Run"]

Found = dict[str, Any]
"""What a round found, as it goes into the file of results."""


class Run:
    """The launches of one run.

    Args:
        framework: The module of the framework.
        spec: What is trained.
        folder: The run's own.
    """

    def __init__(self, framework: ModuleType, spec: Spec, folder: Path) -> None:
        self.framework = framework
        self.folder = folder
        self.spec = spec.but(folder=str(folder))
        self.launches: list[Launch] = []

    def launch(self, **settings: Any) -> Launch:
        """Start it, or resume it."""
        log = self.folder.with_name(f"{self.folder.name}-{len(self.launches)}.log")
        changes = settings.pop("changes", {})
        launch = Launch(self.framework, self.spec.but(**changes), log, **settings)
        self.launches.append(launch)
        return launch

    @property
    def checkpoints(self) -> dict[int, Path]:
        """What it can go on from, by the optimizer's steps."""
        where, name = self.framework.CHECKPOINTS
        named = ((re.fullmatch(name, path.name), path) for path in self.folder.glob(where))
        return dict(sorted((int(match[1]), path) for match, path in named if match))

    @property
    def final(self) -> dict[str, torch.Tensor] | None:
        """What it ended with, if it got there."""
        path = self.folder / "final.pt"
        return torch.load(path, weights_only=True) if path.exists() else None

    def trained(self) -> dict[int, dict[str, Any]]:
        """What was trained on at each place; where a launch came there again, by the last one."""
        found = {}
        for launch in self.launches:
            start = launch.start or 0
            found |= {start + place: batch for place, batch in enumerate(launch.batches)}
        return found


class Bench:
    """Runs of one framework.

    Args:
        framework: Its module.
        folder: Takes everything.
        seed: What all times are drawn from.
    """

    def __init__(self, framework: ModuleType, folder: Path, seed: int) -> None:
        self.framework = framework
        self.folder = folder
        self.seed = seed
        self.draw = random.Random(seed)
        self._straight: dict[Spec, Run] = {}
        self._count = 0

    def begin(self, row: str) -> None:
        """Draw anew for a row, so that a row alone comes out as among others."""
        self.draw = random.Random(f"{self.seed} {row}")

    def run(self, spec: Spec) -> Run:
        """A run that has not begun."""
        self._count += 1
        return Run(self.framework, spec, self.folder / f"run{self._count}")

    def straight(self, spec: Spec) -> Run:
        """The run that nobody touches."""
        if spec not in self._straight:
            run = self.run(spec)
            if run.launch().wait() != 0:
                raise RuntimeError(f"the uninterrupted run failed: {run.launches[0].error}; see {run.launches[0].log}")
            self._straight[spec] = run
        return self._straight[spec]

    def interrupted(self, spec: Spec, *, since: float = 0.35) -> Run:
        """A run that was killed at a moment in the later part of its training."""
        total = len(self.straight(spec.but(ballast=0, keep=None)).launches[0].batches)
        for _ in range(8):
            run = self.run(spec)
            at = self.draw.randint(max(spec.save_every * spec.accumulation + 2, int(since * total)), total - 2)
            launch = run.launch()
            launch.reach(at)
            if launch.kill() and run.checkpoints:
                return run
            self.drop(run)
        raise RuntimeError("8 times a kill missed")

    def resumed(self, run: Run) -> Found:
        """Resume a run, and hold it against the uninterrupted one."""
        killed = len(run.launches[-1].batches)
        newest = max(run.checkpoints, default=0)
        launch = run.launch()
        found: Found = {"killed in batch": killed, "newest checkpoint": newest, "exit code": launch.wait()}
        found["resumed at batch"] = launch.start
        if launch.code != 0:
            return found | {"equal": False, "error": launch.error}
        return found | self.compared(run)

    def compared(self, run: Run) -> Found:
        """How a run's end differs from the uninterrupted one's."""
        straight = self.straight(run.spec.but(folder=""))
        ours, theirs = run.trained(), straight.trained()
        places = [place for place in theirs if place >= (run.launches[-1].start or 0)]
        data = sum(ours.get(place, {}).get("ids") == theirs[place]["ids"] for place in places)
        losses = sum(ours.get(place, {}).get("loss") == theirs[place]["loss"] for place in places)
        one, other = run.final, straight.final
        assert other is not None
        equal = one is not None and one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
        return {
            "equal": equal,
            "largest difference": _difference(one, other),
            "batches": [len(ours), len(theirs)],
            "same data": [data, len(places)],
            "same losses": [losses, len(places)],
        }

    def drop(self, run: Run) -> None:
        """Take a run away from the disk."""
        for path in (run.folder, Path(f"{run.folder}-config")):
            shutil.rmtree(path, ignore_errors=True)

    def step_of(self, run: Run) -> int | None:
        """The step that the last launch went on from, by the optimizer's steps."""
        start = run.launches[-1].start
        return None if start is None else start // run.spec.accumulation


def _difference(one: dict[str, torch.Tensor] | None, other: dict[str, torch.Tensor]) -> float | None:
    """The largest difference of a weight."""
    if one is None or one.keys() != other.keys():
        return None
    kept = [key for key in one if "ballast" not in key and "seen" not in key and one[key].is_floating_point()]
    return max(float((one[key] - other[key]).abs().max()) for key in kept)
