"""`@pytest.mark.world_size(n)`: the test's body runs in n processes that form a gloo group.

The test is otherwise ordinary. Its fixtures are made once, here, and handed to each process by pickle, so `tmp_path`
is the same folder for all and `monkeypatch` or `capsys` can't be used. The first rank that fails is reported with its
traceback; ranks that hang are stopped after the time limit (`world_size(n, timeout=seconds)`, 90 by default).
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from runner import masking

RANK_PROCESS = Path(__file__).with_name("rank_process.py")
SKIPPED = 77

# The machines that run the tests have few cores, and several processes at work on each.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_to_hide():
    """What one test's config took from the environment is not masked in another's output."""
    yield
    masking._references.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    marker = pyfuncitem.get_closest_marker("world_size")
    if marker is None:
        return None
    folder = Path(pyfuncitem.config._tmp_path_factory.mktemp("ranks"))  # type: ignore[attr-defined] # pytest's own
    _write_task(pyfuncitem, folder)
    _run(folder, marker.args[0], marker.kwargs.get("timeout", 90))
    return True


def _write_task(item: pytest.Function, folder: Path) -> None:
    """What a rank needs to call the test: where it is, and its arguments."""
    arguments = {name: _pickled(name, item.funcargs[name]) for name in item._fixtureinfo.argnames}
    task = {
        "file": str(item.path),
        "module": item.module.__name__,
        "name": item.originalname,
        "owner": item.cls.__qualname__ if item.cls else None,
        "arguments": arguments,
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")


def _pickled(name: str, value: object) -> str:
    try:
        return pickle.dumps(value).hex()
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        pytest.fail(f"the fixture {name!r} can't be sent to the ranks of a world_size test: {error}", pytrace=False)


def _run(folder: Path, world_size: int, timeout: float) -> None:
    environment = {**os.environ, "WORLD_SIZE": str(world_size), "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    ranks = []
    for rank in range(world_size):
        with (folder / f"rank{rank}.log").open("wb") as log:
            ranks.append(
                subprocess.Popen(
                    [sys.executable, str(RANK_PROCESS), str(folder)],
                    env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        codes = _wait(ranks, time.monotonic() + timeout)
    finally:
        for process in ranks:
            if process.poll() is None:
                process.kill()
            process.wait()
    _judge(codes, folder, timeout)


def _wait(ranks: list[subprocess.Popen[bytes]], deadline: float) -> list[int | None]:
    """Exit codes in the order of ranks; None for those that were still at it when one failed or the time was over."""
    while time.monotonic() < deadline:
        codes = [process.poll() for process in ranks]
        if None not in codes or any(codes):
            # The others are given a moment: who failed first may have waited for the one who failed truly.
            time.sleep(0.5 if None in codes else 0)
            return [process.poll() for process in ranks]
        time.sleep(0.02)
    return [process.poll() for process in ranks]


def _judge(codes: list[int | None], folder: Path, timeout: float) -> None:
    logs = [(folder / f"rank{rank}.log").read_text("utf-8", errors="replace") for rank in range(len(codes))]
    if SKIPPED in codes:
        pytest.skip(logs[codes.index(SKIPPED)].strip())
    if all(code == 0 for code in codes):
        return
    failed = [rank for rank, code in enumerate(codes) if code] or [
        rank for rank, code in enumerate(codes) if code is None
    ]
    report = [f"rank {rank} {_how(codes[rank], timeout)}:\n{logs[rank][-8000:]}" for rank in failed]
    pytest.fail("\n".join(report), pytrace=False)


def _how(code: int | None, timeout: float) -> str:
    return f"was not through after {timeout:g} s" if code is None else f"failed with exit code {code}"
