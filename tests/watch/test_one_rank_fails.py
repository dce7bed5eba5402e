"""An exception on one rank ends all of them within seconds, with one account of it that names the rank."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from launching import TWO, train

LIMIT = 60.0
"""Seconds from the exception to the end of all: seconds on a machine at rest, and 120 for a rank that nobody tells."""

MODEL = "ValueError: this batch is not as it should be"
FAULTS = {
    "in the model while the other is in its step": (["model.at=13"], MODEL),
    "while the other waits in a collective operation": (["model.at=3", "model.others=gather"], MODEL),
    "while the other computes": (["model.at=3", "model.others=busy"], MODEL),
    "in a worker of its data loader": (
        ["train_dataloader.num_workers=1", "train_dataloader.dataset={type: Augmented, broken: 11}"],
        "KeyError: 'sample 11'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_all_ranks_end_with_one_account(fault: str, tmp_path: Path) -> None:
    overrides, error = FAULTS[fault]
    done = train(tmp_path / "w", *TWO, *(part for each in overrides for part in ("-o", each)))
    took = time.time() - (tmp_path / "w_notes" / "failed1").stat().st_mtime
    assert done.returncode == 3, done.stdout + done.stderr
    assert took < LIMIT, done.stderr
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert f"\n{error}\n" in done.stderr
    kind = error.partition(":")[0]
    assert f"error: rank 1: {kind}, which ends all ranks; its traceback is above" in done.stderr
    assert f"error: rank 0: ends with rank 1, which failed ({kind}: " in done.stderr
    assert f"launcher: rank 1 failed ({kind}: " in done.stderr
    assert "SIGTERM: the run leaves" not in done.stderr


def test_an_error_of_all_ranks_is_told_once(tmp_path: Path) -> None:
    done = train(tmp_path / "w", *TWO, "-o", "model.at=3", "-o", "model.rank=-1")
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert done.stderr.count("which ends all ranks; its traceback is above") == 1
    assert done.stderr.count("; its own traceback is in ") == 1
    assert len(list((tmp_path / "w").glob("*/failed_rank*.txt"))) == 2


def test_no_traceback_is_lost_where_ranks_fail_each_for_itself(tmp_path: Path) -> None:
    done = train(tmp_path / "w", *TWO, "-o", "model.at=3", "-o", "model.others=fail")
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.count("Traceback") == 2, done.stderr
    assert f"\n{MODEL}\n" in done.stderr
    assert f"\n{MODEL} either\n" in done.stderr
    assert done.stderr.count("; it failed too: ValueError: ") == 1
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "w").glob("*/failed_rank*.txt")}
    assert written["failed_rank1.txt"].endswith(f"{MODEL}\n")
    assert written["failed_rank0.txt"].endswith(f"{MODEL} either\n")


def test_a_worker_that_the_kernel_kills_on_one_rank_is_said_so(tmp_path: Path) -> None:
    worker = ["train_dataloader.num_workers=1", "train_dataloader.dataset={type: Augmented, killed: 11}"]
    done = train(tmp_path / "w", *TWO, *(part for each in worker for part in ("-o", each)))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "error: rank 1: a worker of the data loader (process " in done.stderr
    assert "was killed with SIGKILL, as the kernel does when memory runs out" in done.stderr
    assert "Traceback" not in done.stderr
    assert "exited unexpectedly" not in done.stderr
    assert "error: rank 0: ends with rank 1, which failed (" in done.stderr
