"""What SLURM and Open MPI tell the processes that they start, in the words of `torch.distributed`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from runner.errors import LaunchError

__all__ = ["DEFAULT_PORT", "first_host", "mpi_environment", "slurm_environment", "started_by"]

DEFAULT_PORT = 29500
"""torch.distributed's own."""

_RANGE = re.compile(r"^(?P<prefix>[^\[,]*)(?:\[(?P<first>[^\],-]+))?")


def slurm_environment(environ: Mapping[str, str], port: int | None = None) -> dict[str, str]:
    """RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT of a task that `srun` started.

    Args:
        environ: The process's environment.
        port: The port that ranks meet at; by default `MASTER_PORT`, else 29500.

    Raises:
        LaunchError: The process is no task of SLURM's.
    """
    rank, world_size, nodes = _needed(
        environ, "slurm", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST"), "start with `srun`"
    )
    local_size = _local_tasks(environ, int(world_size))
    return {
        "RANK": rank,
        "WORLD_SIZE": world_size,
        # Where SLURM does not say, tasks are taken to be dealt to nodes one node after the other.
        "LOCAL_RANK": environ.get("SLURM_LOCALID", str(int(rank) % local_size)),
        "LOCAL_WORLD_SIZE": str(local_size),
        "MASTER_ADDR": environ.get("MASTER_ADDR") or first_host(nodes),
        "MASTER_PORT": _port(environ, port),
    }


def mpi_environment(environ: Mapping[str, str], port: int | None = None) -> dict[str, str]:
    """The same of a process that Open MPI's `mpirun` started.

    Args:
        environ: The process's environment.
        port: The port that ranks meet at; by default `MASTER_PORT`, else 29500.

    Raises:
        LaunchError: The process was not started by `mpirun`, or MASTER_ADDR is missing where there are several machines.
    """
    names = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")
    rank, world_size, local_rank = _needed(environ, "mpi", names, "start with Open MPI's `mpirun`")
    local_size = environ.get("OMPI_COMM_WORLD_LOCAL_SIZE")
    address = environ.get("MASTER_ADDR")
    if not address and local_size != world_size:
        raise LaunchError(
            "launcher: 'mpi' needs MASTER_ADDR in the environment, the name of rank 0's machine; "
            "start with `mpirun -x MASTER_ADDR=HOST …`"
        )
    return {
        "RANK": rank,
        "WORLD_SIZE": world_size,
        "LOCAL_RANK": local_rank,
        **({"LOCAL_WORLD_SIZE": local_size} if local_size else {}),
        "MASTER_ADDR": address or "localhost",
        "MASTER_PORT": _port(environ, port),
    }


def first_host(nodes: str) -> str:
    """The first name in SLURM's list of nodes, `gpu[03-05,09],cpu1`: `scontrol` expands it; it is read here without one."""
    scontrol = shutil.which("scontrol")
    if scontrol is not None:
        command = [scontrol, "show", "hostnames", nodes]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - SLURM's own tool
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
    found = _RANGE.match(nodes)
    assert found is not None  # it matches everything
    return f"{found['prefix']}{found['first'] or ''}"


def _needed(environ: Mapping[str, str], launcher: str, names: tuple[str, ...], how: str) -> list[str]:
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise LaunchError(f"launcher: {launcher!r} needs {', '.join(missing)} in the environment; {how}")
    return [environ[name] for name in names]


def _port(environ: Mapping[str, str], port: int | None) -> str:
    return str(port) if port is not None else environ.get("MASTER_PORT", str(DEFAULT_PORT))


def _local_tasks(environ: Mapping[str, str], world_size: int) -> int:
    """Tasks of this step on this node: `SLURM_STEP_TASKS_PER_NODE` lists them as `4(x2),3`."""
    listed = environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE") or ""
    counts: list[int] = []
    for tasks, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", listed):
        counts += [int(tasks)] * int(times or 1)
    node = int(environ.get("SLURM_NODEID", "0"))
    return counts[node] if node < len(counts) else world_size


def started_by(environ: Mapping[str, str] | None = None) -> str | None:
    """`slurm` or `mpi` where one of them started this process as one of several."""
    environ = os.environ if environ is None else environ
    if int(environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_STEP_ID" in environ:
        return "slurm"
    return "mpi" if int(environ.get("OMPI_COMM_WORLD_SIZE", "1")) > 1 else None
