"""What a launcher is: who starts the processes of a distributed run, and what each of them is told."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from runner.build import Builder
from runner.errors import LaunchError, RegistryError

__all__ = ["Group", "Job", "Launcher", "in_force", "inferred"]

INFER = "infer"
"""The launcher that is any of the others, as the environment says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Which processes to start.

    Attributes:
        processes: On this machine; None takes one for each visible GPU, and one where there is none.
        nodes: Machines that start processes.
        endpoint: `HOST:PORT` where the machines meet; needed where there are several.
        node_rank: Of this machine; 0 keeps the meeting point. None lets the machine that the endpoint names do so.
        device: The value of `--device`.
    """

    processes: int | None = None
    nodes: int = 1
    endpoint: str | None = None
    node_rank: int | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a launcher is to start: `python -m runner ARGS`, in each process of the group.

    Attributes:
        args: The command line after `runner`.
        group: Which processes.
        work_dir: Where the run writes, and so where its checkpoints lie.
        max_restarts: How often to start a group that died again.
    """

    args: tuple[str, ...]
    group: Group
    work_dir: str
    max_restarts: int = 0


class Launcher(abc.ABC):
    """Starts the processes of a distributed run, or knows what the program that started them told each.

    A command asks `started` first. Where that is true, this process is one of a group, which it joins by what
    `environment` says. Where it is false, the command calls `start` and ends with its exit code, if the launcher starts
    processes itself, and refuses to run otherwise.

    Attributes:
        how: How a user starts the processes, for messages: "start the processes with `srun`".
        shows_own_device: Whether a process may be shown the GPU that is its own alone, rather than all of the machine.
        joins: Whether its processes form a group.
    """

    how: ClassVar[str] = "start the processes with the program that this launcher is for"
    shows_own_device: ClassVar[bool] = True
    joins: ClassVar[bool] = True

    @abc.abstractmethod
    def started(self, environ: Mapping[str, str]) -> bool:
        """Whether this launcher started this process, as one of a group.

        Args:
            environ: The process's environment.
        """

    def environment(self, environ: Mapping[str, str], port: int | None = None) -> dict[str, str]:
        """What `torch.distributed` reads in a process that was started; by default nothing that is not there already.

        Args:
            environ: The process's environment.
            port: `env_cfg.dist_cfg.port`, where that is given: where the ranks meet on rank 0's machine.

        Returns:
            `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `LOCAL_WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`: those that are not in
            the environment already, or that it has otherwise.

        Raises:
            LaunchError: Something is missing; says how to start.
        """
        return {}

    def start(self, job: Job) -> int:
        """Start the processes, wait for them, and return the command's exit code. By default a launcher does not.

        Raises:
            LaunchError: They can't be started.
        """
        raise LaunchError(f"{type(self).__name__} starts no processes; {self.how}")

    @property
    def starts(self) -> bool:
        """Whether it starts processes itself."""
        return type(self).start is not Launcher.start


def in_force(
    launcher: str | Mapping[str, Any] | Launcher, environ: Mapping[str, str] | None = None, scope: str | None = None
) -> tuple[str, Launcher]:
    """The launcher that a config names, and its name; for `infer` the one that the environment tells of.

    Args:
        launcher: The field `launcher`: a name, a mapping with `type`, or the object.
        environ: The process's environment; by default its own.
        scope: The plugin that wins where several offer the name.

    Raises:
        LaunchError: Nobody offers it, or what is named is no launcher.
    """
    if isinstance(launcher, Launcher):
        return type(launcher).__name__, launcher
    builder = Builder(scope=scope)
    name = str(launcher.get("type") if isinstance(launcher, Mapping) else launcher)
    try:
        built = builder.build("launcher", launcher, ("launcher",))
    except RegistryError as error:
        raise LaunchError(f"launcher: {error}") from error
    if not isinstance(built, Launcher):
        raise LaunchError(f"launcher: '{name}' is a {type(built).__name__}, which does not derive from Launcher")
    if name in {INFER, f"runner.{INFER}"}:
        return inferred(os.environ if environ is None else environ, builder)
    return name, built


def inferred(environ: Mapping[str, str], builder: Builder | None = None) -> tuple[str, Launcher]:
    """Who started this process as one of several: ours are asked first, then those of plugins; `none` if nobody did.

    Args:
        environ: The process's environment.
        builder: Builds those that are asked.
    """
    builder = builder if builder is not None else Builder()
    for name in _asked(builder):
        launcher = builder.build("launcher", {"type": name}, ("launcher",))
        if launcher.joins and launcher.started(environ) and _is_one_of_several(launcher, environ):
            return name.removeprefix("runner."), launcher
    return "none", builder.build("launcher", {"type": "runner.none"}, ("launcher",))


def _is_one_of_several(launcher: Launcher, environ: Mapping[str, str]) -> bool:
    return int({**environ, **launcher.environment(environ)}.get("WORLD_SIZE", "1")) > 1


_ORDER = ("pytorch", "mpi", "slurm")
"""torchrun may run below the others, and mpirun below srun, whose variables its processes inherit."""


def _asked(builder: Builder) -> Iterator[str]:
    yield from (f"runner.{name}" for name in _ORDER)
    for entry in builder.catalog.entries("launcher"):
        if entry.plugin != "runner":
            yield entry.qualified
