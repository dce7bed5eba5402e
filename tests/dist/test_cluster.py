"""`slurm` and `mpi`: the environment that their processes are given, and groups of real processes on gloo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from runner.dist.cluster import first_host, mpi_environment, slurm_environment, started_by
from runner.errors import LaunchError

SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "7", "SLURM_NODELIST": "gpu[03-04,09]"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"SLURM_LOCALID": "1"}, {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "7", "MASTER_ADDR": "gpu03", "MASTER_PORT": "29500"}),
        (
            {"SLURM_TASKS_PER_NODE": "3(x2),1", "SLURM_NODEID": "1", "MASTER_ADDR": "here", "MASTER_PORT": "1234"},
            {"LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "3", "MASTER_ADDR": "here", "MASTER_PORT": "1234"},
        ),
        ({"SLURM_TASKS_PER_NODE": "3(x2),1", "SLURM_NODEID": "2"}, {"LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}),
    ],
)  # fmt: skip
def test_a_task_of_slurm(more, expected, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no scontrol
    found = slurm_environment({**SLURM, **more})
    assert (found["RANK"], found["WORLD_SIZE"]) == ("5", "7")
    assert {name: found[name] for name in expected} == expected


def test_a_port_in_the_config_wins():
    assert slurm_environment({**SLURM, "MASTER_PORT": "1", "MASTER_ADDR": "x"}, port=2)["MASTER_PORT"] == "2"
    assert mpi_environment({**MPI, "MASTER_PORT": "1", "MASTER_ADDR": "x"}, port=2)["MASTER_PORT"] == "2"


@pytest.mark.parametrize(
    ("nodes", "host"),
    [("alone", "alone"), ("a1,b2", "a1"), ("node[07-12]", "node07"), ("n-[1,3-4],m2", "n-1")],
)
def test_the_first_host(nodes, host, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert first_host(nodes) == host


def test_scontrol_is_asked_where_it_is(tmp_path, monkeypatch):
    tool = tmp_path / "scontrol"
    tool.write_text('#!/bin/sh\ntest "$1 $2 $3" = "show hostnames rack[1-2]" && printf "rack1.site\\nrack2.site\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert first_host("rack[1-2]") == "rack1.site"


def test_mpi():
    alone = mpi_environment({**MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"})
    assert alone == {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "29500",
    }
    with pytest.raises(LaunchError, match="MASTER_ADDR"):
        mpi_environment({**MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"})


@pytest.mark.parametrize(("make", "names"), [(slurm_environment, SLURM), (mpi_environment, MPI)])
def test_what_is_missing_is_named(make, names):
    for name in names:
        with pytest.raises(LaunchError, match=name):
            make({key: value for key, value in names.items() if key != name})


def test_who_started():
    assert started_by({}) is None
    assert started_by({"SLURM_NTASKS": "4"}) is None  # the shell of an allocation
    assert started_by({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}) == "slurm"
    assert started_by(MPI) == "mpi"


SCRIPT = """
import os, sys
import torch
from runner import dist
dist.init_dist(sys.argv[1], backend="gloo", timeout=60)
value = torch.tensor(float(dist.get_rank() + 1))
dist.all_reduce(value)
print(dist.get_rank(), dist.get_world_size(), dist.get_local_rank(), dist.get_local_size(), value.item())
dist.destroy()
"""


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return str(one.getsockname()[1])


def environments(launcher, size=2):
    """What the launcher gives each of its processes, on one machine."""
    kept = {name: value for name, value in os.environ.items() if name not in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}}
    shared = {**kept, "MASTER_PORT": free_port(), "OMP_NUM_THREADS": "1"}
    for rank in map(str, range(size)):
        if launcher == "slurm":
            own = {"PROCID": rank, "NTASKS": str(size), "LOCALID": rank, "NODELIST": "localhost", "NODEID": "0"}
            yield {
                **shared,
                **{f"SLURM_{name}": value for name, value in own.items()},
                "SLURM_TASKS_PER_NODE": str(size),
            }
        else:
            own = {"RANK": rank, "SIZE": str(size), "LOCAL_RANK": rank, "LOCAL_SIZE": str(size)}
            yield {**shared, **{f"OMPI_COMM_WORLD_{name}": value for name, value in own.items()}}


@pytest.mark.parametrize("launcher", ["slurm", "mpi"])
def test_two_processes_form_a_group(launcher):
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, launcher],
            env=each,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for each in environments(launcher)
    ]
    done = [each.communicate(timeout=120) for each in ranks]
    assert [out for out, _ in done] == ["0 2 0 2 3.0\n", "1 2 1 2 3.0\n"], done
