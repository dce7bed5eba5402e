"""The launchers that come with the project."""

from __future__ import annotations

from collections.abc import Mapping

from runner.dist.cluster import mpi_environment, slurm_environment
from runner.dist.launcher import Job, Launcher

__all__ = ["InferLauncher", "MPILauncher", "NoLauncher", "PyTorchLauncher", "SlurmLauncher"]


class NoLauncher(Launcher):
    """One process, which forms no group: the default."""

    how = "leave it out"
    joins = False

    def started(self, environ: Mapping[str, str]) -> bool:
        """Any process will do."""
        return True


class InferLauncher(Launcher):
    """The launcher that started this process as one of several, as its environment says; `none` if none did."""

    how = "start the processes with torchrun, `mpirun` or `srun`"
    joins = False

    def started(self, environ: Mapping[str, str]) -> bool:
        """Any process will do: it is asked of the others."""
        return True


class PyTorchLauncher(Launcher):
    """torchrun, or the command itself, as torch's elastic agent: `--nproc-per-node`, `--nnodes`, `--max-restarts`."""

    how = "start with torchrun, or let `runner train --launcher pytorch` start the processes"
    shows_own_device = False

    def started(self, environ: Mapping[str, str]) -> bool:
        """Whether `RANK` and `WORLD_SIZE` are set."""
        return "RANK" in environ and "WORLD_SIZE" in environ

    def start(self, job: Job) -> int:
        """Start the processes, and again where they die."""
        from runner.dist.supervise import supervise

        return supervise(job.args, job.group, job.work_dir, job.max_restarts)


class SlurmLauncher(Launcher):
    """`srun`, which gives each task `SLURM_PROCID` and the like."""

    how = "start the processes with `srun`"

    def started(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a task of a step; a batch script's shell, which starts the steps, is not."""
        return "SLURM_PROCID" in environ and "SLURM_STEP_ID" in environ

    def environment(self, environ: Mapping[str, str], port: int | None = None) -> dict[str, str]:
        """The same in torch's words; rank 0's machine is the first of the list unless `MASTER_ADDR` is set."""
        return slurm_environment(environ, port)


class MPILauncher(Launcher):
    """Open MPI's `mpirun`, which gives each process `OMPI_COMM_WORLD_RANK` and the like."""

    how = "start the processes with Open MPI's `mpirun`"

    def started(self, environ: Mapping[str, str]) -> bool:
        """Whether `OMPI_COMM_WORLD_RANK` is set."""
        return "OMPI_COMM_WORLD_RANK" in environ

    def environment(self, environ: Mapping[str, str], port: int | None = None) -> dict[str, str]:
        """The same in torch's words; several machines need `MASTER_ADDR`, the name of rank 0's."""
        return mpi_environment(environ, port)
