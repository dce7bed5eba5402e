"""Starts the processes that a verification takes, and says what came of them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runner.errors import RunnerError
from runner.verify import causes
from runner.verify.findings import Difference, Record, differences
from runner.verify.part import Part

__all__ = ["Verdict", "verify_resume"]

_HARD = {"batch", "outputs", "weights", "rates", "generators", "scalars", "checkpoint"}
"""What two uninterrupted runs must have in common; what they merely remember may be a clock."""


@dataclass(kw_only=True)
class Verdict:
    """What a verification found.

    Attributes:
        steps: The steps that were taken.
        at: The step after which the run was killed.
        outcome: `equal`; `resume`: the resumed run differs; `chance`: two uninterrupted runs differ already.
        differences: What differs, the first thing first.
        cause: What it probably comes from.
        compared: How many values of each kind were compared.
    """

    steps: int
    at: int
    outcome: str = "equal"
    differences: list[Difference] = field(default_factory=list)
    cause: str = ""
    compared: dict[str, int] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Whether the resumed run is the uninterrupted one."""
        return self.outcome == "equal"


def verify_resume(
    command: Sequence[str],
    *,
    steps: int,
    at: int | None = None,
    device: str = "cpu",
    deterministic: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Verdict:
    """Train straight through, and again killed and resumed, each in fresh processes; compare all there is.

    Args:
        command: The arguments of `runner` that run one part, whose file of orders is added.
        steps: The steps to take.
        at: The step after which the run is killed; by default drawn.
        device: The type of the device.
        deterministic: Whether `randomness.deterministic` is set.
        say: Is told what is going on.

    Raises:
        RunnerError: A run failed by itself.
    """
    with tempfile.TemporaryDirectory(prefix="runner-verify-") as name:
        folder = Path(name)
        at = random.SystemRandom().randint(1, steps - 1) if at is None else at
        say(f"training {steps} steps straight through")
        straight = _run(command, Part(folder=str(folder / "straight"), seam=at, last=steps))
        if straight.last <= at:
            raise RunnerError(
                f"the run is over after {straight.last} steps, and was to be killed after {at}; give --at less"
            )
        say(f"training again, killed after step {at}")
        _run(command, Part(folder=str(folder / "resumed"), seam=at, last=steps, kill=True))
        say("resuming in a fresh process")
        killed = str(folder / "resumed" / "killed.pth")
        resumed = _run(command, Part(folder=str(folder / "resumed"), seam=at, last=steps, resume=killed))
        verdict = Verdict(steps=straight.last, at=at, compared=_compared(straight))
        found = differences(straight, resumed)
        if not found:
            return verdict
        say("something differs: training straight through once more, to see whether that is the same twice")
        again = _run(command, Part(folder=str(folder / "again"), seam=at, last=steps))
        chance = differences(straight, again)
        if any(difference.kind in _HARD for difference in chance):
            hard = [difference for difference in chance if difference.kind in _HARD]
            verdict.outcome, verdict.differences = "chance", hard
            verdict.cause = causes.of_chance(hard[0], straight, again, device=device, deterministic=deterministic)
            return verdict
        by_chance = {difference.place for difference in chance}
        found = [difference for difference in found if difference.place not in by_chance]
        if found:
            verdict.outcome, verdict.differences = "resume", found
            verdict.cause = causes.of_resumption(found[0], straight, resumed, at)
        return verdict


def _run(command: Sequence[str], part: Part) -> Record:
    """Run a part in a process of its own.

    Raises:
        RunnerError: It failed; with the end of what it said.
    """
    folder = Path(part.folder)
    folder.mkdir(exist_ok=True)
    orders = folder / "part.json"
    orders.write_text(json.dumps(asdict(part)), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "runner", *command, "--part", str(orders)], capture_output=True, text=True, check=False
    )
    if done.returncode != (-signal.SIGKILL if part.kill else 0):
        which = "resumed" if part.resume else "killed" if part.kill else "uninterrupted"
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise RunnerError(f"the {which} run failed by itself (exit code {done.returncode}); it said last:\n{tail}")
    return Record(folder)


def _compared(record: Record) -> dict[str, int]:
    step = record.steps[record.last]
    return {
        "batches": len(record.steps),
        "tensors of weights": len(step["weights"]),
        "generators": len(step["generators"]),
        "values in the checkpoint": len(record.checkpoint),
        "logged values": sum(len(row) for row in record.scalars.values()),
    }
