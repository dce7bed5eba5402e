"""What the commands that run a config do before they run it: start the processes, and say whose code runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from runner.config import Config

__all__ = ["LocalRank", "announce_own_code", "rank", "started"]


def _local_rank(value: int | None) -> int | None:
    """Take what `python -m torch.distributed.launch` hands to scripts as an argument."""
    if value is not None:
        os.environ.setdefault("LOCAL_RANK", str(value))
    return value


LocalRank = Annotated[
    int | None, typer.Option("--local-rank", "--local_rank", hidden=True, callback=_local_rank, is_eager=True)
]


def started(cfg: Config, nproc_per_node: int | None, device: str) -> int | None:
    """Start the processes of a distributed run where nobody has; their exit code, or None if this process is to run.

    Raises:
        typer.BadParameter: The environment and the flags say different things.
    """
    launcher = cfg.get("launcher") or "none"
    if launcher == "none":
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise typer.BadParameter(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']} and the launcher is none; add `--launcher pytorch`, or unset it",
                param_hint="--launcher",
            )
        _say_who_started()
    if nproc_per_node is not None and launcher != "pytorch":
        raise typer.BadParameter(
            f"it starts processes for the launcher pytorch, and the launcher is {launcher}; "
            + ("add `--launcher pytorch`" if launcher == "none" else _STARTED_BY[launcher][1]),
            param_hint="--nproc-per-node",
        )
    if launcher in _STARTED_BY and _STARTED_BY[launcher][0] not in os.environ:
        raise typer.BadParameter(
            f"{_STARTED_BY[launcher][0]} is not in the environment, and the launcher is {launcher}; "
            f"{_STARTED_BY[launcher][1]}",
            param_hint="--launcher",
        )
    if launcher != "pytorch" or ("RANK" in os.environ and "WORLD_SIZE" in os.environ):
        return None
    from runner.dist.launch import launch

    return launch(sys.argv[1:], nproc_per_node=nproc_per_node, device=device)


_STARTED_BY = {
    "slurm": ("SLURM_PROCID", "start the processes with `srun`"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "start the processes with Open MPI's `mpirun`"),
}
"""What tells that a cluster's launcher started this process, and how that is done."""


def _say_who_started() -> None:
    """Say that each process is a run of its own, where a cluster started several and no launcher joins them."""
    from runner.dist.cluster import started_by

    cluster = started_by(os.environ)
    if cluster is not None and rank() == 0:
        typer.echo(
            f"{cluster} started several processes, each a run of its own; `--launcher {cluster}` joins them", err=True
        )


def rank() -> int:
    """This process's number among those that a launcher started, before they have formed a group."""
    names = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
    return next((int(os.environ[name]) for name in names if name in os.environ), 0)


def announce_own_code(cfg: Config) -> None:
    """Say which files, packages and classes the config makes this command run, before it does."""
    wanted = cfg.get("custom_imports") or {}
    names = wanted.get("imports") or []
    names = [names] if isinstance(names, str) else names
    if names and rank() == 0:
        typer.echo(f"runs your own code: {', '.join(names)}", err=True)
    targets = [target for named in (wanted.get("components") or {}).values() for target in named.values()]
    if targets and rank() == 0:
        typer.echo(f"uses classes that no plugin offers: {', '.join(targets)}", err=True)
