"""Joining and leaving the process group that a launcher has prepared."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import distributed as torch_dist

from runner.dist.group import forget_local_group
from runner.dist.launcher import Launcher, in_force
from runner.errors import LaunchError

__all__ = ["TIMEOUT", "destroy", "infer_launcher", "init_dist", "joins_group"]

TIMEOUT = 600.0
"""Seconds that a collective operation may take where nothing is said; torch's own for nccl, a third of it for gloo."""


def joins_group(environ: Mapping[str, str]) -> bool:
    """Whether a launcher (torchrun, our own) started this process as one of a group."""
    return "RANK" in environ and "WORLD_SIZE" in environ


def infer_launcher() -> Literal["none", "pytorch", "slurm", "mpi"]:
    """The launcher that this process was started by, going by one variable each; the launcher `infer` looks closer."""
    for variable, launcher in _TELLTALES:
        if variable in os.environ:
            return launcher
    return "none"


_TELLTALES: tuple[tuple[str, Literal["pytorch", "slurm", "mpi"]], ...] = (
    ("WORLD_SIZE", "pytorch"),
    ("SLURM_NTASKS", "slurm"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "mpi"),
)


def init_dist(
    launcher: str | Launcher,
    backend: str | None = None,
    timeout: float | None = None,
    port: int | None = None,
    init_backend: Literal["torch"] = "torch",
    **kwargs: Any,
) -> None:
    """Join the process group. A group that exists already is kept.

    Args:
        launcher: `none` (does nothing); `pytorch` (reads `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR` and
            `MASTER_PORT`, as torchrun sets them); `slurm` or `mpi` (set these from what `srun` or Open MPI's `mpirun`
            gives each process); `infer` (whichever of these started the process); a plugin's; or the object.
        backend: `gloo`, `nccl`, …; by default `nccl` where CUDA is there and `gloo` elsewhere.
        timeout: Seconds after which a collective that some rank does not join is an error; ten minutes when None.
        port: Where the ranks of `slurm` and `mpi` meet; by default `MASTER_PORT`, else 29500.
        init_backend: Which library makes the group; only `torch`.
        **kwargs: For `torch.distributed.init_process_group`.

    Raises:
        LaunchError: The launcher or the library is unknown, or the environment lacks what it needs.
    """
    if launcher == "none" or torch_dist.is_initialized():
        return
    name, found = in_force(launcher)
    if not found.joins:
        return
    if init_backend != "torch":
        raise LaunchError(f"env_cfg.dist_cfg.init_backend: {init_backend!r} is not offered; give 'torch'")
    os.environ.update(found.environment(os.environ, port))
    _require(name, found, kwargs)
    backend = backend or ("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        _set_cuda_device(backend, is_bound=found.shows_own_device)
    kwargs["timeout"] = dt.timedelta(seconds=timeout or TIMEOUT)
    try:
        torch_dist.init_process_group(backend, **kwargs)
    except (RuntimeError, ValueError) as error:
        raise LaunchError(f"launcher: the {backend} group could not be joined: {error}") from error


def _require(name: str, launcher: Launcher, kwargs: dict[str, Any]) -> None:
    """Look for what the group is made from; what the arguments lack of it is put there."""
    meets_elsewhere = kwargs.get("init_method") not in {None, "env://"} or "store" in kwargs
    needed = ("RANK", "WORLD_SIZE") if meets_elsewhere else ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in needed if name not in os.environ and name.lower() not in kwargs]
    if missing:
        raise LaunchError(f"launcher: {name!r} needs {', '.join(missing)} in the environment; {launcher.how}")
    if meets_elsewhere:
        kwargs.update({key: int(os.environ[key.upper()]) for key in ("rank", "world_size") if key not in kwargs})


def _set_cuda_device(backend: str, *, is_bound: bool) -> None:
    """Take the GPU that belongs to this process.

    Args:
        backend: The group's.
        is_bound: Whether a cluster started the process, which may show each process a GPU of its own alone.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0")))
    devices = torch.cuda.device_count()
    if local_rank < devices:
        torch.cuda.set_device(local_rank)
    elif is_bound and devices == 1:
        torch.cuda.set_device(0)
    elif "nccl" in backend:
        raise LaunchError(
            f"launcher: local rank {local_rank} has no GPU, {devices} are visible; "
            f"start at most {devices} processes a machine, or set env_cfg.dist_cfg.backend to gloo"
        )


def destroy() -> None:
    """Leave the process group; nothing happens without one."""
    if torch_dist.is_available() and torch_dist.is_initialized():
        forget_local_group()
        torch_dist.destroy_process_group()
