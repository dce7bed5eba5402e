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
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import torch

from runner.dist.launcher import Group
from runner.errors import LaunchError

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.api import WorkerSpec

    from runner.dist.agent import Death

__all__ = [
    "EXIT_CODES",
    "FAILED",
    "FIRST_FAILURE",
    "RESTART_FROM",
    "STOPPED",
    "Ending",
    "attempt",
    "default_processes",
    "launch",
    "settled",
]

EXIT_CODES = "RUNNER_EXIT_CODES"
"""The environment variable that names the folder where each rank leaves its exit code."""

FIRST_FAILURE = "failed"
"""The file in that folder in which the first rank that fails by an exception says so: its number, and what it was."""

RESTART_FROM = "RUNNER_RESTART_FROM"
"""The environment variable that tells the ranks of a further attempt which checkpoint to go on from."""

FAILED = 3
"""The exit code of a run that failed in a way that has no code of its own."""

STOPPED = 75
"""The exit code of a run that left because it was asked to."""

_WITH_A_MEANING = frozenset({1, 2, STOPPED})
"""Exit codes of a rank that are the command's too; any other is a run that failed."""

_TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT)
"""Signals that get another handler while an agent is at work: torch's, which raises, and ours."""

_SAVING_SECONDS = "120"


def default_processes(device: str = "auto") -> int:
    """One process for each visible GPU; one where there is none, or where the device names one or the CPU."""
    if device not in {"auto", "cuda"} or not torch.cuda.is_available():
        return 1
    return torch.cuda.device_count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a group ended.

    Attributes:
        code: 0 when all succeeded, else the exit code of the first that failed, or 3 where it was killed.
        what: What happened, in a sentence's part; empty where all succeeded.
        signalled: Whether a signal to this process ended it.
    """

    code: int
    what: str = ""
    signalled: bool = False


def launch(args: Sequence[str], nproc_per_node: int | None = None, device: str = "auto") -> int:
    """Start `python -m runner ARGS` in several processes that form a group, and wait for them.

    Args:
        args: The command line after `runner`.
        nproc_per_node: How many; None takes `default_processes`, and says so.
        device: The value of `--device`.

    Returns:
        0 when all succeeded, else the exit code of the first that failed, or 3 where it was killed.

    Raises:
        LaunchError: No process was asked for, or the machines could not meet.
    """
    ending = attempt(args, settled(Group(processes=nproc_per_node, device=device)))
    if ending.what:
        _say(f"launcher: {ending.what}")
    return ending.code


def settled(group: Group) -> Group:
    """The same group with the number of processes decided.

    Raises:
        LaunchError: It can't be started.
    """
    if group.nodes > 1 and group.endpoint is None:
        raise LaunchError(f"--nnodes: {group.nodes} machines have to meet somewhere; give --rdzv-endpoint HOST:PORT")
    if group.nodes < 1:
        raise LaunchError(f"--nnodes: {group.nodes} machines can't train; give 1 or more")
    if group.node_rank is not None and not 0 <= group.node_rank < group.nodes:
        raise LaunchError(f"--node-rank: {group.node_rank} of {group.nodes} machines; give 0 to {group.nodes - 1}")
    return replace(group, processes=_count(group.processes, group.device))


def attempt(args: Sequence[str], group: Group, number: int = 0, restart_from: str | None = None) -> Ending:
    """Start the processes once, by an agent and a meeting of their own, and wait for them.

    A signal (SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGQUIT) is handed on to all of them, which have two minutes to save; a
    second SIGINT stops them at once. When one fails, the others are stopped.

    Args:
        args: The command line after `runner`.
        group: Which processes, with their number decided.
        number: Of the attempt, from 0: machines meet those of the same attempt.
        restart_from: The checkpoint that the processes go on from, whatever the command line says.

    Raises:
        LaunchError: The machines could not meet.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.rendezvous.api import RendezvousError

    from runner.dist.agent import Agent

    assert group.processes is not None
    total = group.processes * group.nodes
    with tempfile.TemporaryDirectory(prefix="runner-launch-") as folder, _environment(folder, total, restart_from):
        try:
            agent = Agent(_spec(args, group, number), float(os.environ["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"]))
            result = agent.run()
            agent.leave()
        except SignalException as error:
            return _signal(error.sigval, Path(folder), group.processes)
        except RendezvousError as error:
            raise LaunchError(f"launcher: {group.nodes} machines did not meet at {group.endpoint}: {error}") from error
        if agent.first is not None:
            return _failure(agent.first, Path(folder, FIRST_FAILURE))
    return (
        Ending(code=FAILED, what="the agent failed; its messages are above") if result.is_failed() else Ending(code=0)
    )


def _spec(args: Sequence[str], group: Group, number: int) -> WorkerSpec:
    """What torch's agent is told: the processes, and where the machines meet."""
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.rendezvous import RendezvousParameters, registry

    assert group.processes is not None
    meeting = RendezvousParameters(
        backend="c10d",
        endpoint="localhost:0" if group.endpoint is None else group.endpoint,
        run_id=uuid.uuid4().hex if group.nodes == 1 else f"runner-{number}",
        min_nodes=group.nodes,
        max_nodes=group.nodes,
        local_addr="localhost" if _is_here(group.endpoint) else None,
        **({} if group.node_rank is None else {"is_host": group.node_rank == 0}),
    )
    return WorkerSpec(
        role="default",
        local_world_size=group.processes,
        entrypoint=sys.executable,
        args=("-m", "runner.dist.rank", *args),
        rdzv_handler=registry.get_rendezvous_handler(meeting),
        max_restarts=0,
        local_addr=meeting.local_addr,
    )


def _is_here(endpoint: str | None) -> bool:
    return endpoint is None or endpoint.rpartition(":")[0] in {"localhost", "127.0.0.1"}


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


def _hand_on(number: int, frame: FrameType | None) -> None:
    from torch.distributed.elastic.multiprocessing import SignalException

    del frame
    raise SignalException(f"process {os.getpid()} was sent a signal", sigval=signal.Signals(number))


@contextlib.contextmanager
def _environment(folder: str, processes: int, restart_from: str | None) -> Iterator[None]:
    """What the agent and the ranks read, put back afterwards."""
    wanted = {
        # Ranks get a port of their own for their store: the agent's is gone when it restarts them.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", _SAVING_SECONDS),
        EXIT_CODES: folder,
    }
    if restart_from is not None:
        wanted[RESTART_FROM] = restart_from
    if processes > 1:
        # As torchrun: several processes with a thread for each core hinder each other.
        wanted["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
    before = {name: os.environ.get(name) for name in (*wanted, "TORCHELASTIC_SIGNALS_TO_HANDLE")}
    in_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _TAKEN if in_main_thread}
    os.environ.update(wanted)
    if in_main_thread:
        signal.signal(signal.SIGUSR1, _hand_on)  # the agent takes care of the others
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


def _failure(death: Death, told: Path) -> Ending:
    code = death.code
    if code == FAILED and told.exists():
        # Which rank's process ended first says little: one that ends for another's sake may be faster.
        first, _, what = told.read_text("utf-8").partition(" ")
        return Ending(
            code=FAILED, what=f"rank {first} failed ({what}), and the other ranks were stopped; its messages are above"
        )
    if code == STOPPED:
        return Ending(code=code, what="a signal to a rank stopped the run, which saved a checkpoint", signalled=True)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return Ending(
        code=code if code in _WITH_A_MEANING else FAILED,
        what=f"rank {death.rank} (process {death.pid}) {how}, and the other ranks were stopped; its messages are above",
    )


def _signal(number: signal.Signals, folder: Path, processes: int) -> Ending:
    codes = {int(path.name): int(path.read_text("utf-8")) for path in folder.iterdir() if path.name.isdecimal()}
    ended = ", ".join(f"rank {rank}: {code}" for rank, code in sorted(codes.items()))
    killed = processes - len(codes)
    agreed = set(codes.values())
    return Ending(
        code=agreed.pop() if not killed and len(agreed) == 1 else FAILED,
        what=f"{number.name} was handed on to all ranks, which ended with the exit codes {ended}"
        + (f"; {killed} were killed" if killed else ""),
        signalled=True,
    )


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
