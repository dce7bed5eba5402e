"""What the commands that run a config do before they run it: start the processes, and say whose code runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from runner.config import Config

if TYPE_CHECKING:
    from runner.dist.launcher import Group, Launcher

__all__ = [
    "Endpoint",
    "Launch",
    "LocalRank",
    "Machines",
    "NodeRank",
    "Nodes",
    "announce_own_code",
    "go_on_if_restarted",
    "rank",
    "started",
    "work_dir_of",
]


def _local_rank(value: int | None) -> int | None:
    """Take what `python -m torch.distributed.launch` hands to scripts as an argument."""
    if value is not None:
        os.environ.setdefault("LOCAL_RANK", str(value))
    return value


LocalRank = Annotated[
    int | None, typer.Option("--local-rank", "--local_rank", hidden=True, callback=_local_rank, is_eager=True)
]


Nodes = Annotated[
    int | None, typer.Option("--nnodes", metavar="N", min=1, help="Machines that each start processes; default 1.")
]
Endpoint = Annotated[
    str | None, typer.Option("--rdzv-endpoint", metavar="HOST:PORT", help="Where the machines meet; alike on all.")
]
NodeRank = Annotated[
    int | None,
    typer.Option("--node-rank", metavar="N", min=0, help="This machine's number; 0 keeps the meeting point."),
]


Launch = Annotated[
    str | None,
    typer.Option(
        "--launcher", metavar="none|pytorch|slurm|mpi|infer|NAME", help="Who starts processes; NAME: a plugin's."
    ),
]


class Machines(NamedTuple):
    """What the flags say about machines; None where they do not."""

    nnodes: int | None = None
    rdzv_endpoint: str | None = None
    node_rank: int | None = None


def started(
    cfg: Config,
    nproc_per_node: int | None,
    device: str,
    machines: Machines | None = None,
    max_restarts: int | None = None,
) -> int | None:
    """Start the processes of a distributed run where nobody has; their exit code, or None if this process is to run.

    Raises:
        typer.BadParameter: The environment and the flags say different things.
    """
    wanted = cfg.get("launcher") or "none"
    flags = {"--nproc-per-node": nproc_per_node, "--max-restarts": max_restarts, **_flags(machines or Machines())}
    if wanted == "none":
        _refuse_several()
        _refuse_flags_for_starting("none", "add `--launcher pytorch`", flags)
        return None
    from runner.dist.launcher import Job, in_force

    if _is_own_code(cfg):
        _run_own_code(cfg)
    name, launcher = in_force(wanted, scope=cfg.get("default_scope"))
    if name == "none":
        _refuse_several()
    if not launcher.starts:
        _refuse_flags_for_starting(name, launcher.how if launcher.joins else "add `--launcher pytorch`", flags)
    if launcher.started(os.environ):
        _tell_rank(launcher)
        _warn_of_torchrun()
        return None
    if not launcher.starts:
        raise typer.BadParameter(
            f"this process was not started by it, and the launcher is {name}; {launcher.how}", param_hint="--launcher"
        )
    group = _group(nproc_per_node, machines or Machines(), device)
    job = Job(args=tuple(sys.argv[1:]), group=group, work_dir=work_dir_of(cfg), max_restarts=max_restarts or 0)
    return launcher.start(job)


def _group(nproc_per_node: int | None, machines: Machines, device: str) -> Group:
    from runner.dist.launcher import Group

    return Group(
        processes=nproc_per_node,
        nodes=machines.nnodes or 1,
        endpoint=machines.rdzv_endpoint,
        node_rank=machines.node_rank,
        device=device,
    )


def _flags(machines: Machines) -> dict[str, Any]:
    return {f"--{name.replace('_', '-')}": value for name, value in machines._asdict().items()}


def _is_own_code(cfg: Config) -> bool:
    """Whether no plugin offers the launcher, so that the config's own code has to be run before it is found."""
    from runner.errors import RegistryError
    from runner.plugin import default_plugins

    wanted = cfg["launcher"]
    try:
        default_plugins().catalog.resolve("launcher", str(wanted["type"] if isinstance(wanted, Mapping) else wanted))
    except RegistryError:
        return True
    return False


def _run_own_code(cfg: Config) -> None:
    from runner.custom_imports import run_custom_imports

    announce_own_code(cfg)
    run_custom_imports(cfg)


def _refuse_several() -> None:
    """Refuse to be one of a group that was started for another launcher; say so of a cluster's, whose may be meant."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise typer.BadParameter(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']} and the launcher is none; add `--launcher pytorch`, or unset it",
            param_hint="--launcher",
        )
    _say_who_started()


def _refuse_flags_for_starting(launcher: str, instead: str, flags: dict[str, Any]) -> None:
    """Refuse what is said about starting processes where this command does not start them."""
    for flag, value in flags.items():
        if value is not None:
            raise typer.BadParameter(
                f"it is for a launcher that starts processes, and the launcher is {launcher}; {instead}",
                param_hint=flag,
            )


def _tell_rank(launcher: Launcher) -> None:
    """Let this process know its number already, where the launcher has words of its own for it."""
    if not any(name in os.environ for name in _OWN_NUMBER):
        os.environ.update({key: value for key, value in launcher.environment(os.environ).items() if key == "RANK"})


def _warn_of_torchrun() -> None:
    from runner.dist.supervise import warn_of_shared_store

    trap = warn_of_shared_store(os.environ)
    if trap is not None and rank() == 0:
        typer.echo(f"warning: {trap}", err=True)


def work_dir_of(cfg: Config) -> str:
    """Where a run of this config writes."""
    given = cfg.get("work_dir")
    return str(given) if given is not None else f"work_dirs/{Path(cfg.filename).stem if cfg.filename else 'run'}"


def go_on_if_restarted(cfg: Config) -> None:
    """Let a process that was started again, as its group had died, go on from the newest whole checkpoint."""
    from runner.dist.supervise import restart_from

    checkpoint = restart_from(os.environ, work_dir_of(cfg))
    if checkpoint is not None:
        cfg["resume"] = checkpoint


def _say_who_started() -> None:
    """Say that each process is a run of its own, where a cluster started several and no launcher joins them."""
    from runner.dist.cluster import started_by

    cluster = started_by(os.environ)
    if cluster is not None and rank() == 0:
        typer.echo(
            f"{cluster} started several processes, each a run of its own; `--launcher {cluster}` joins them", err=True
        )


_OWN_NUMBER = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
"""What tells a process its number, by the launchers that are known here."""


def rank() -> int:
    """This process's number among those that a launcher started, before they have formed a group."""
    return next((int(os.environ[name]) for name in _OWN_NUMBER if name in os.environ), 0)


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
