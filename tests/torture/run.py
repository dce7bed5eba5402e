"""Kills training runs at random, resumes them, and holds what they leave behind against runs that nobody killed.

    python tests/torture/run.py --rounds 100 --seed 1

prints a table, a row a round, and exits with 1 if any round ended differently. A third of the rounds are killed within
the write of a checkpoint. A round in which the kill missed does not count: it is drawn again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; also, a process with threads must not fork

import torch
from comparison import differences, resumable, step_of
from launches import HITS, Launch, at_time, in_write
from matrix import AXES, BATCHES, Variant, config, variants

PARTS = Path(__file__).parent / "project" / "tortured.py"
# What every launch imports, once: forks find it there. torch's optimizers import the first of them.
WARM = ("torch._dynamo", "runner.cli.train", "runner.runner", "runner.validation", "runner.hooks", "runner.fileio")
MOST_KILLS = 3
MOST_TRIES = 12
COLD = 10
"""One round of so many starts its processes by themselves rather than as forks."""


@dataclass(kw_only=True)
class Round:
    """A round, and what came of it.

    Attributes:
        hits: Where each kill fell.
        wrong: What should not have been.
    """

    number: int
    variant: int
    wants_write: bool
    is_cold: bool
    kills: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether a kill fell where it was wanted."""
        return any(hit in HITS for hit in self.hits) if self.wants_write else bool(self.hits)


class Torture:
    """Rounds over a matrix of configs.

    Args:
        folder: Takes everything.
        seed: What all is drawn from.
        count: How many configs.
        forgetful: Whether a hook takes part that breaks the promise.
    """

    def __init__(self, folder: Path, seed: int, count: int, *, forgetful: bool) -> None:
        self.folder = folder
        self.draw = random.Random(seed)
        self.variants = variants(count, self.draw)
        self.durations: dict[int, float] = {}
        shutil.copy(PARTS, folder / PARTS.name)
        for number, variant in enumerate(self.variants):
            self.config(number).write_text(json.dumps(config(variant, forgetful=forgetful)), encoding="utf-8")

    def config(self, variant: int) -> Path:
        """The file of a config."""
        return self.folder / f"config{variant}.json"

    def launch(self, variant: int, work_dir: Path, number: int, *, is_cold: bool = False) -> Launch:
        """Start or resume a run, as a user would."""
        arguments = [
            "train",
            str(self.config(variant)),
            "--work-dir",
            str(work_dir),
            "--resume=auto",
            "--device",
            "cpu",
        ]
        return Launch(arguments, self.folder / f"{work_dir.name}-{number}.log", is_cold=is_cold)

    def straight(self, variant: int) -> Path:
        """The work directory of the run that nobody kills."""
        work_dir = self.folder / f"straight{variant}"
        if variant not in self.durations:
            launch = self.launch(variant, work_dir, 0)
            if launch.wait() != 0:
                raise RuntimeError(f"the uninterrupted run failed:\n{launch.output}")
            self.durations[variant] = time.monotonic() - launch.started
        return work_dir

    def round(self, number: int, *, wants_write: bool) -> Round:
        """Kill a run one to three times, resuming it each time, and compare."""
        started = time.monotonic()
        variant = number % len(self.variants)
        straight = self.straight(variant)
        for attempt in range(MOST_TRIES):
            done = Round(number=number, variant=variant, wants_write=wants_write, is_cold=number % COLD == COLD - 1)
            work_dir = self.folder / f"round{number}-{attempt}"
            self._kill_and_resume(done, work_dir)
            if done.wrong or done.counts:
                break
            shutil.rmtree(work_dir, ignore_errors=True)
        else:
            done.wrong.append(f"{MOST_TRIES} times no kill fell where it was to")
        if not done.wrong:
            done.wrong = differences(straight, work_dir)
        if not done.wrong:
            shutil.rmtree(work_dir)
        done.seconds = time.monotonic() - started
        return done

    def _kill_and_resume(self, done: Round, work_dir: Path) -> None:
        """Launch until the run is through; all but the last launches are killed."""
        expected: int | None = None
        for number in range(MOST_KILLS + 1):
            launch = self.launch(done.variant, work_dir, number, is_cold=done.is_cold)
            if number < self.draw.randint(1, MOST_KILLS):
                seconds = self.draw.uniform(0, self.durations[done.variant])
                kill = in_write if done.wants_write else at_time
                more = (self.draw,) if done.wants_write else ()
                hit = kill(launch, work_dir, seconds, *more)
            else:
                seconds, hit = 0.0, None
                launch.wait()
            if hit is None and launch.code != 0:
                done.wrong.append(f"launch {number} exited with {launch.code}; see {launch.log}")
                return
            done.wrong += _resumed_wrongly(launch, expected)
            if done.wrong or hit is None:
                return
            done.kills.append(f"{seconds:.3f}")
            done.hits.append(hit)
            expected = _newest(launch, work_dir, done.wrong)
            if done.wrong:
                return


def _newest(launch: Launch, work_dir: Path, wrong: list[str]) -> int | None:
    """The step that the next launch has to go on from, by what is on the disk."""
    whole = resumable(work_dir)
    newest = whole[-1][0] if whole else None
    announced = [
        int(number) * (BATCHES if unit == "epochs" else 1)
        for number, unit in re.findall(r"saving checkpoint at (\d+) (epochs|iterations)", launch.output)
    ]
    # The last save that was announced may not have got to its end; the one before it has.
    if len(announced) > 1 and (newest is None or newest < announced[-2]):
        wrong.append(f"the checkpoint of iteration {announced[-2]} was written and is gone; the newest is of {newest}")
    return newest


def _resumed_wrongly(launch: Launch, expected: int | None) -> list[str]:
    """What is wrong with where a launch went on from, if it got as far as to say."""
    output = launch.output
    wrong = [f"a damaged file was met: {line}" for line in output.splitlines() if "is damaged" in line]
    step = step_of(output)
    has_trained = "saving checkpoint at " in output or " Epoch(train)" in output or " Iter(train)" in output
    if step != expected and (step is not None or has_trained):
        wrong.append(
            f"it went on from iteration {step}, and the newest whole checkpoint is of {expected}; see {launch.log}"
        )
    return wrong


def _row(done: Round, variant: Variant) -> str:
    what = ", ".join(f"{axis} {value}" for axis, value in variant.items())
    outcome = "equal" if not done.wrong else "WRONG"
    how = f"{'write' if done.wants_write else 'random'}{', cold' if done.is_cold else ''}"
    kills = "; ".join(f"{seconds} s ({hit})" for seconds, hit in zip(done.kills, done.hits, strict=True))
    return f"| {done.number} | {how} | {kills} | {outcome} | {done.seconds:.1f} | {done.variant}: {what} |"


def tell(line: str) -> None:
    """Print a line, at once: the next one may take a while."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the rounds; 0 if every one of them ended as the uninterrupted run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="what configs and times are drawn from; default random")
    parser.add_argument("--variants", type=int, default=20, help="how many configs")
    parser.add_argument("--folder", type=Path, default=None, help="keep everything there")
    parser.add_argument(
        "--forgetful",
        action="store_true",
        help="with a hook that breaks the promise; ends with the first round that shows it",
    )
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    torch.set_num_threads(1)
    for name in WARM:
        import_module(name)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    tell(f"seed {seed}, {options.rounds} rounds, {options.variants} configs, in {folder}\n")
    tell("| round | kills | at (where) | outcome | s | config |\n| --- | --- | --- | --- | --- | --- |")
    torture = Torture(folder, seed, min(options.variants, options.rounds), forgetful=options.forgetful)
    rounds = []
    for number in range(options.rounds):
        done = torture.round(number, wants_write=number % 3 == 2)
        rounds.append(done)
        tell(_row(done, torture.variants[done.variant]))
        for wrong in done.wrong[:8]:
            tell(f"    {wrong}")
        if done.wrong and options.forgetful:
            break
    return _conclude(rounds, torture.variants, folder, keep=options.folder is not None)


def _conclude(rounds: list[Round], chosen: list[Variant], folder: Path, *, keep: bool) -> int:
    wrong = [done for done in rounds if done.wrong]
    hits = Counter(hit for done in rounds for hit in done.hits)
    met = {axis: {str(variant[axis]) for variant in chosen} for axis in AXES}
    missing = [f"{axis} {value}" for axis, values in AXES.items() for value in values if str(value) not in met[axis]]
    tell(f"\n{len(rounds) - len(wrong)} of {len(rounds)} rounds equal the uninterrupted run bit for bit")
    tell(f"kills: {sum(hits.values())}, of them " + ", ".join(f"{hit} {count}" for hit, count in hits.most_common()))
    tell(f"rounds killed within a write: {sum(any(hit in HITS for hit in done.hits) for done in rounds)}")
    if missing:
        tell(f"not met, with so few configs: {', '.join(missing)}")
    if not wrong and not keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
