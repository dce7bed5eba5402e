"""kill -9 of one rank of two, at moments drawn from a seed: `python tests/torture/ranks.py [--rounds 50] [--seed 1] [--stop]`.

The job has to start again within 30 seconds, by itself, and to end with the weights of a run that nobody killed. With
`--stop` the rank is stopped by SIGSTOP, which the time limit of the watchdog has to find.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

CONFIG = Path(__file__).parents[1] / "signals" / "project" / "cfg.yaml"
LIMIT = 30.0
WATCHDOG = ("-o", "env_cfg.watchdog.timeout=5", "-o", "env_cfg.watchdog.phase_timeout=5")
"""How soon a rank that is stopped is found."""
SAID = {signal.SIGKILL: "SIGKILL", signal.SIGSTOP: "does not answer: its process is stopped or dead"}
"""What the run says of a rank that was sent a signal."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of a kill.

    Attributes:
        rank: Whom it hit.
        iteration: In which step, from 0.
        hit: Whether it hit in time.
        restart: Seconds from the kill to the first words of the next attempt's training.
        equal: Whether the weights at the end equal those of the straight run.
        log: What the run said.
    """

    rank: int
    iteration: int
    hit: bool
    restart: float
    equal: bool
    log: str

    @property
    def passed(self) -> bool:
        """Whether all promises were kept."""
        return self.hit and self.equal and self.restart < LIMIT


def command(work_dir: Path, *more: str) -> list[str]:
    """A run of two ranks that is started again up to three times."""
    launcher = ("--launcher", "pytorch", "--nproc-per-node", "2", "--max-restarts", "3", "--device", "cpu")
    return [sys.executable, "-m", "runner", "train", str(CONFIG), "--work-dir", str(work_dir), *launcher, *more]


def straight(work_dir: Path) -> Path:
    """The run that nobody kills."""
    done = subprocess.run(command(work_dir), env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the run that nobody kills failed:\n{done.stdout}{done.stderr}")
    return work_dir


def killed(
    work_dir: Path, expected: Path, chance: random.Random, number: signal.Signals = signal.SIGKILL, *more: str
) -> Round:
    """One run with a kill in it, and what came of it.

    Args:
        work_dir: The run's.
        expected: That of the straight run.
        chance: Draws the rank and the moment.
        number: SIGKILL or SIGSTOP.
        *more: Arguments of the run.
    """
    rank, iteration, delay = chance.randrange(2), chance.randrange(15), chance.random() * 0.5
    values = {"point": "step", "at": iteration, "rank": rank}
    where = [part for key, value in values.items() for part in ("-o", f"custom_hooks.1.{key}={value}")]
    log = work_dir.with_suffix(".log")
    with log.open("wb") as stream:
        process = subprocess.Popen(command(work_dir, *where, *more), env=_environment(), stdout=stream, stderr=stream)
    pausing = work_dir / "pausing"
    try:
        while process.poll() is None and not (pausing.exists() and pausing.read_text("utf-8")):
            time.sleep(0.01)
        time.sleep(delay)
        hit = _kill(int(pausing.read_text("utf-8")), number) if pausing.exists() else False
        restart = _until(log, process)
        process.wait(timeout=180)
    finally:
        process.kill()
    text = log.read_text("utf-8", errors="replace")
    is_through = process.returncode == 0 and f"rank {rank} " in text and SAID[number] in text
    return Round(
        rank=rank,
        iteration=iteration,
        hit=hit,
        restart=restart,
        equal=is_through and _equal(work_dir / "epoch_3.pth", expected / "epoch_3.pth"),
        log=text,
    )


def main() -> int:
    """Run all rounds, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop", action="store_true", help="stop the rank (SIGSTOP) instead of killing it")
    wanted = parser.parse_args()
    chance = random.Random(wanted.seed)
    _say(f"seed {wanted.seed}\nround  rank  step  restart s  weights")
    failed = 0
    how: tuple[Any, ...] = (signal.SIGSTOP, *WATCHDOG) if wanted.stop else (signal.SIGKILL,)
    with tempfile.TemporaryDirectory(prefix="runner-ranks-") as folder:
        expected = straight(Path(folder, "straight"))
        done = 0
        while done < wanted.rounds:
            outcome = killed(Path(folder, f"round{done}"), expected, chance, *how)
            if not outcome.hit:
                continue  # it was over before the kill: this one does not count
            done += 1
            failed += not outcome.passed
            weights = "equal" if outcome.equal else "DIFFER"
            _say(f"{done:5}  {outcome.rank:4}  {outcome.iteration:4}  {outcome.restart:9.1f}  {weights}")
            if not outcome.passed:
                _say(outcome.log[-4000:])
    _say(f"{wanted.rounds - failed} of {wanted.rounds} passed")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _until(log: Path, process: subprocess.Popen[bytes]) -> float:
    """Seconds until the next attempt trains."""
    begun = time.monotonic()
    again = re.compile(r"attempt 2 of .*checkpoints will be saved to", re.DOTALL)
    while process.poll() is None and not again.search(log.read_text("utf-8", errors="replace")):
        time.sleep(0.05)
    return time.monotonic() - begun


def _equal(one: Path, other: Path) -> bool:
    states = [torch.load(path, weights_only=True)["state_dict"] for path in (one, other)]
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )


if __name__ == "__main__":
    sys.exit(main())
