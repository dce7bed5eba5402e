"""Starting a group of processes on this machine, by torch's elastic agent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from runner.errors import LaunchError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

__all__ = ["EXIT_CODES", "default_processes", "launch"]

EXIT_CODES = "RUNNER_EXIT_CODES"
"""The environment variable that names the folder where each rank leaves its exit code."""

FAILED = 3
"""The exit code of a run that failed in a way that has no code of its own."""

_SAVING_SECONDS = "120"


def default_processes(device: str = "auto") -> int:
    """One process for each visible GPU; one where there is none, or where the device names one or the CPU."""
    if device not in {"auto", "cuda"} or not torch.cuda.is_available():
        return 1
    return torch.cuda.device_count()


def launch(args: Sequence[str], nproc_per_node: int | None = None, device: str = "auto") -> int:
    """Start `python -m runner ARGS` in several processes that form a group, and wait for them.

    A signal (SIGTERM, SIGINT, SIGHUP, SIGQUIT) is handed on to all of them, which have two minutes to save; when one
    fails, the others are stopped.

    Args:
        args: The command line after `runner`.
        nproc_per_node: How many; None takes `default_processes`, and says so.
        device: The value of `--device`.

    Returns:
        0 when all succeeded, else the exit code of the first that failed, or 3 where it was killed.

    Raises:
        LaunchError: There are fewer GPUs than processes, or none was asked for.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    processes = _count(nproc_per_node, device)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    with tempfile.TemporaryDirectory(prefix="runner-launch-") as folder, _environment(folder, processes):
        try:
            elastic_launch(config, sys.executable)("-m", "runner.dist.rank", *args)
        except ChildFailedError as error:
            return _report_failure(error)
        except SignalException as error:
            return _report_signal(error.sigval, Path(folder), processes)
    return 0


def _count(nproc_per_node: int | None, device: str) -> int:
    if nproc_per_node is None:
        processes = default_processes(device)
        why = "one for each visible GPU" if processes > 1 or torch.cuda.is_available() else "as there is no GPU"
        _say(
            f"launcher: starting {processes} process{'es' if processes > 1 else ''}, {why}; --nproc-per-node sets another number"
        )
        return processes
    if nproc_per_node < 1:
        raise LaunchError(f"--nproc-per-node: {nproc_per_node} processes can't be started; give 1 or more")
    return nproc_per_node


@contextlib.contextmanager
def _environment(folder: str, processes: int) -> Iterator[None]:
    """What the agent and the ranks read, put back afterwards."""
    wanted = {
        # Ranks get a port of their own for their store: the agent's is gone when it restarts them.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", _SAVING_SECONDS),
        EXIT_CODES: folder,
    }
    if processes > 1:
        # As torchrun: several processes with a thread for each core hinder each other.
        wanted["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
    before = {name: os.environ.get(name) for name in (*wanted, "TORCHELASTIC_SIGNALS_TO_HANDLE")}
    in_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT) if in_main_thread}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _report_failure(error: ChildFailedError) -> int:
    rank, failure = error.get_first_failure()
    code = failure.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    _say(
        f"launcher: rank {rank} (process {failure.pid}) {how}, and the other ranks were stopped; its messages are above"
    )
    return code if code > 0 else FAILED


def _report_signal(number: signal.Signals, folder: Path, processes: int) -> int:
    codes = {int(path.name): int(path.read_text("utf-8")) for path in folder.iterdir() if path.name.isdecimal()}
    ended = ", ".join(f"rank {rank}: {codes.get(rank, 'killed')}" for rank in range(processes))
    _say(f"launcher: {number.name} was handed on to all ranks, which ended with the exit codes {ended}")
    agreed = set(codes.values())
    return agreed.pop() if len(codes) == processes and len(agreed) == 1 else FAILED


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
