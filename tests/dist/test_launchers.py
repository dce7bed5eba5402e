"""Which launcher is in force: the one that is named, or the one that the environment tells of."""

from __future__ import annotations

import pytest

from runner.dist import Launcher, init_dist
from runner.dist.launcher import in_force
from runner.dist.launchers import SlurmLauncher
from runner.errors import LaunchError
from runner.registry import LAUNCHERS

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
BATCH = {"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_NODELIST": "node1"}
SRUN = {**BATCH, "SLURM_STEP_ID": "0", "SLURM_LOCALID": "0"}
MPIRUN = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}

ENVIRONMENTS = {
    "nothing": ({}, "none"),
    "torchrun": (TORCHRUN, "pytorch"),
    "a world and no rank": ({"WORLD_SIZE": "2"}, "none"),
    "srun": (SRUN, "slurm"),
    "srun, one task": ({**SRUN, "SLURM_NTASKS": "1"}, "none"),
    "a batch script's own shell": (BATCH, "none"),
    "mpirun": (MPIRUN, "mpi"),
    "mpirun, one process": ({**MPIRUN, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, "none"),
    "mpirun, which srun started on each machine": ({**SRUN, **MPIRUN}, "mpi"),
    "torchrun below srun": ({**SRUN, **TORCHRUN}, "pytorch"),
}


@pytest.mark.parametrize(("environ", "expected"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_is_inferred(environ: dict[str, str], expected: str) -> None:
    assert in_force("infer", environ)[0] == expected


@pytest.mark.parametrize("named", ["slurm", "runner.slurm", {"type": "slurm"}])
def test_what_is_named(named: str | dict[str, str]) -> None:
    name, launcher = in_force(named, {})
    assert name.rpartition(".")[2] == "slurm"
    assert isinstance(launcher, SlurmLauncher)
    assert not launcher.starts
    assert not launcher.started(BATCH)
    assert launcher.started(SRUN)
    assert launcher.environment(SRUN)["WORLD_SIZE"] == "2"


def test_a_built_one_is_taken_as_it_is() -> None:
    launcher = SlurmLauncher()
    assert in_force(launcher) == ("SlurmLauncher", launcher)


def test_several_machines_of_open_mpi_need_an_address() -> None:
    with pytest.raises(LaunchError, match="mpirun -x MASTER_ADDR=HOST"):
        in_force("infer", {**MPIRUN, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"})


@pytest.mark.parametrize("named", ["slrum", {"type": "slrum"}])
def test_an_unknown_one(named: str | dict[str, str]) -> None:
    with pytest.raises(LaunchError, match=r"no launcher is called 'slrum'; did you mean 'slurm'\?"):
        in_force(named, {})


def test_what_is_no_launcher() -> None:
    @LAUNCHERS.register_module(name="ship")
    class Ship:
        pass

    with pytest.raises(LaunchError, match="'ship' is a Ship, which does not derive from Launcher"):
        in_force("ship")


def test_one_that_only_says_who_started(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told(Launcher):
        how = "tell it"

        def started(self, environ: dict[str, str]) -> bool:  # type: ignore[override] # a plugin's own annotation
            return True

    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LaunchError, match=r"'Told' needs RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT .*; tell it"):
        init_dist(Told())
