"""Real launchers, each with two processes of `examples/digits`: `python tests/launch/clusters.py [--install]`.

Prints a table; the weights that each trains are compared with those of the first, bit for bit. `--install` brings Open MPI
and SLURM from Debian's packages before (as root). SLURM runs on this machine alone, in a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

CONFIG = Path(__file__).parents[2] / "examples" / "digits" / "digits.yaml"
PACKAGES = ("openmpi-bin", "slurm-wlm", "munge")
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

RUNNER = [sys.executable, "-m", "runner"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1"]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", "2"]
SRUN = ["srun", "-n", "2", "--kill-on-bad-exit=1"]

LAUNCHES: dict[str, tuple[list[str], list[str]]] = {
    "runner train": ([], ["--launcher", "pytorch", "--nproc-per-node", "2"]),
    "torchrun": ([*TORCHRUN, "--standalone", "--no-python"], ["--launcher", "pytorch"]),
    "torchrun, inferred": ([*TORCHRUN, "--standalone", "--no-python"], ["--launcher", "infer"]),
    "mpirun": (MPIRUN, ["--launcher", "mpi"]),
    "mpirun, inferred": (MPIRUN, ["--launcher", "infer"]),
    "srun": (SRUN, ["--launcher", "slurm"]),
    "srun, inferred": (SRUN, ["--launcher", "infer"]),
}
"""What stands before `python -m runner train CFG …`, and behind it."""

SLURM_CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes={host} Default=YES State=UP
"""


def program(name: str) -> str:
    """The program that a row of the table is about."""
    return name.partition(",")[0]


def missing(name: str) -> str | None:
    """Why a row can't be run here; None where it can."""
    wanted = {"mpirun": ["mpirun"], "srun": ["srun", "slurmctld", "slurmd", "munged"]}.get(program(name), [])
    lacking = [each for each in wanted if shutil.which(each, path=SBIN) is None]
    return f"{program(name)} is not installed" if lacking else None


def train(name: str, work_dir: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Train by one of the launchers.

    Args:
        name: A row of `LAUNCHES`.
        work_dir: Where the checkpoint goes.
        environ: What `cluster` gives.
    """
    before, behind = LAUNCHES[name]
    short = ("train_cfg.max_epochs=2", "train_dataloader.num_batch_per_epoch=4", "model.width=4")
    overrides = [part for each in short for part in ("-o", each)]
    command = [*before, *RUNNER, "train", str(CONFIG), *overrides, *behind, "--work-dir", str(work_dir)]
    own = {
        "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(free_ports(1)[0]),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    kept = {key: value for key, value in os.environ.items() if key not in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}}
    return subprocess.run(
        [*command, "--device", "cpu"],
        env={**kept, **own, **environ},
        cwd=work_dir.parent,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@contextlib.contextmanager
def cluster(name: str) -> Iterator[dict[str, str]]:
    """What has to run while a launcher is used, and the environment that tells of it."""
    if program(name) != "srun":
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="slurm-") as text:  # a socket's path has to be short
        folder = Path(text)
        config = _slurm_config(folder)
        daemons = []
        try:
            for command in _daemons(folder, config):
                executable = shutil.which(command[0], path=SBIN)
                assert executable is not None
                with (folder / f"{command[0]}.log").open("wb") as log:
                    daemons.append(subprocess.Popen([executable, *command[1:]], stdout=log, stderr=log))
                if command[0] == "munged":
                    _until((folder / "munge.socket").exists, folder)
            environ = {"SLURM_CONF": str(config)}
            ask = ["sinfo", "--noheader", "--format", "%T"]
            _until(lambda: "idle" in _output(ask, environ), folder)
            yield environ
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(timeout=30)


def _slurm_config(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    text = SLURM_CONF.format(folder=folder, host=host, user=getpass.getuser(), ports=free_ports(2))
    config.write_text(text, encoding="utf-8")
    return config


def _daemons(folder: Path, config: Path) -> list[list[str]]:
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "munged.seed"}
    munged = ["munged", "--foreground", "--force", *(f"--{option}={folder / file}" for option, file in files.items())]
    return [munged, ["slurmctld", "-D", "-f", str(config)], ["slurmd", "-D", "-f", str(config)]]


def _until(holds: Callable[[], bool], folder: Path, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{log.name}:\n{log.read_text('utf-8')[-2000:]}" for log in folder.glob("*.log"))
            raise RuntimeError(f"SLURM did not start within {seconds:g} s\n{logs}")
        time.sleep(0.1)


def _output(command: list[str], environ: Mapping[str, str]) -> str:
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in found]


def trained(work_dir: Path) -> dict[str, torch.Tensor]:
    """The weights at the end."""
    state: dict[str, torch.Tensor] = torch.load(work_dir / "epoch_2.pth", weights_only=True)["state_dict"]
    return state


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def main() -> int:
    """Run all launchers, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="bring Open MPI and SLURM by apt-get before")
    if parser.parse_args().install:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", *PACKAGES]):
            subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)
    _say(f"{'launcher':20} {'processes':>9} {'seconds':>7}  weights")
    first: dict[str, torch.Tensor] | None = None
    failed = 0
    with tempfile.TemporaryDirectory(prefix="runner-launchers-") as folder:
        for name in LAUNCHES:
            why = missing(name)
            if why is not None:
                _say(f"{name:20} {why}")
                continue
            work_dir = Path(folder, name.replace(", ", "-").replace(" ", "-"))
            with cluster(name) as environ:
                begun = time.monotonic()
                done = train(name, work_dir, environ)
            if done.returncode != 0:
                failed += 1
                _say(f"{name:20} failed with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
                continue
            weights = trained(work_dir)
            first = weights if first is None else first
            is_equal = equal(weights, first)
            failed += not is_equal
            said = "equal" if is_equal else "DIFFER"
            _say(f"{name:20} {2:9} {time.monotonic() - begun:7.1f}  {said}")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
