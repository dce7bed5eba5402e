"""A sample of the torture: `python tests/torture/run.py --rounds 100` is the whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.slow
def test_killed_at_random_and_within_writes_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    done = torture("--rounds", "6", "--seed", "3", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 rounds equal the uninterrupted run bit for bit" in done.stdout
    within = re.search(r"rounds killed within a write: (\d+)", done.stdout)
    assert within
    assert int(within[1]) >= 2


@pytest.mark.slow
def test_a_hook_that_forgets_is_found(tmp_path: Path) -> None:
    done = torture("--rounds", "9", "--seed", "0", "--forgetful", "--folder", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "WRONG" in done.stdout


@pytest.mark.slow
def test_far_into_an_epoch_of_a_million_batches_only_the_next_batch_is_read(tmp_path: Path) -> None:
    # That the time is the same is for a quiet machine to say, by the same script; here the order and the reads count.
    samplers = "DefaultSampler", "a batch sampler with seek", "a batch sampler without", "one derived from torch's"
    done = subprocess.run(
        [sys.executable, str(RUN.with_name("far.py")), "--no-limit", *samplers],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| 8 | ok |") == len(samplers)
