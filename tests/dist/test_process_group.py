from __future__ import annotations

import pytest
import torch

from runner import dist
from runner.device import get_device, resolve_device
from runner.errors import LaunchError, RunnerError


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"RANK": "0"}, False), ({"WORLD_SIZE": "2"}, False), ({"RANK": "0", "WORLD_SIZE": "2"}, True)],
)
def test_joins_group(environment, expected):
    assert dist.joins_group(environment) is expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"launcher": "torchrun"}, "no launcher is called 'torchrun'; did you mean 'pytorch'"),
        ({"launcher": "slurm"}, "SLURM_PROCID, SLURM_NTASKS, SLURM_NODELIST"),
        ({"launcher": "mpi"}, "OMPI_COMM_WORLD_RANK"),
        ({"launcher": "pytorch", "init_backend": "deepspeed"}, "'deepspeed' is not offered"),
    ],
)
def test_what_can_not_be_joined(arguments, says):
    with pytest.raises(LaunchError, match=says):
        dist.init_dist(**arguments)


def test_missing_environment_is_named(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LaunchError, match="WORLD_SIZE, MASTER_ADDR, MASTER_PORT"):
        dist.init_dist("pytorch")


def test_a_group_of_one_on_gloo(monkeypatch, tmp_path):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    dist.init_dist("none")
    assert not dist.is_distributed()
    dist.init_dist("pytorch", backend="gloo", timeout=30, init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert dist.is_distributed()
        assert dist.get_backend() == "gloo"
        dist.init_dist("pytorch")  # kept
    finally:
        dist.destroy()
    assert not dist.is_distributed()
    dist.destroy()


@pytest.mark.parametrize(
    ("environment", "launcher"),
    [
        ({}, "none"),
        ({"WORLD_SIZE": "2"}, "pytorch"),
        ({"SLURM_NTASKS": "2"}, "slurm"),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "0"}, "mpi"),
    ],
)
def test_infer_launcher(monkeypatch, environment, launcher):
    for name in ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert dist.infer_launcher() == launcher


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == get_device()
    with pytest.raises(RunnerError, match="no device's name"):
        resolve_device("gpu")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_a_device_that_is_not_there():
    assert get_device() == "cpu"
    with pytest.raises(RunnerError, match="torch finds cpu"):
        resolve_device("cuda:0")
