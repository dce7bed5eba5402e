from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from runner import dist
from runner.errors import LaunchError


class Pair(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


CPU = torch.device("cpu")
DATA = {"x": torch.zeros(2), "y": [torch.ones(1), (torch.ones(1), Pair(torch.ones(1), torch.ones(1)))]}


def test_the_device_of_nested_data():
    assert dist.get_data_device(DATA) == CPU
    with pytest.raises(ValueError, match="several devices: cpu, meta"):
        dist.get_data_device([torch.zeros(1), torch.zeros(1, device="meta")])
    with pytest.raises(ValueError, match="empty"):
        dist.get_data_device([])
    with pytest.raises(TypeError, match="found a str"):
        dist.get_data_device({"x": "text"})


def test_data_is_moved_in_its_form():
    moved = dist.cast_data_device(DATA, torch.device("meta"))
    assert dist.get_data_device(moved) == torch.device("meta")
    assert isinstance(moved["y"][1][1], Pair)
    assert dist.cast_data_device(DATA["x"], CPU) is DATA["x"]


def test_data_is_moved_into_what_is_there():
    out = {"x": torch.zeros(2), "y": [torch.zeros(1)]}
    dist.cast_data_device({"x": torch.ones(2), "y": [torch.full((1,), 3.0)]}, CPU, out)
    assert out["x"].tolist() == [1, 1]
    assert out["y"][0].tolist() == [3]


@pytest.mark.parametrize(
    ("data", "out", "error"),
    [
        ([torch.zeros(1)], (torch.zeros(1),), TypeError),
        ({torch.zeros(1)}, {torch.zeros(1)}, TypeError),
        ([torch.zeros(1)], [torch.zeros(1)] * 2, ValueError),
        ({}, None, ValueError),
        ("text", None, TypeError),
    ],
)
def test_data_that_cannot_be_moved(data, out, error):
    with pytest.raises(error, match=r"cast_data_device|is needed"):
        dist.cast_data_device(data, CPU, out)


def test_alone_there_is_no_local_group():
    assert dist.get_local_group() is None
    assert dist.collect_results_cpu([1, 2], 1, tmpdir="unused") == [1]
    assert dist.collect_results_gpu([1, 2], 1) == [1]
    parameters = [torch.ones(2)]
    dist.all_reduce_params(parameters)
    assert parameters[0].tolist() == [1, 1]


@pytest.mark.world_size(2)
def test_parameters_are_reduced_together():
    rank = dist.get_rank()

    def parameters():
        return [
            torch.full((2, 3), rank + 1.0),
            torch.full((4,), rank + 1),
            torch.nn.Parameter(torch.full((1,), 2.0 * rank)),
            torch.full((3, 2), rank + 1.0).t(),
        ]

    for arguments in ({}, {"coalesce": False}, {"bucket_size_mb": 1}):
        reduced = parameters()
        dist.all_reduce_params(reduced, **arguments)
        assert [each.flatten().tolist() for each in reduced] == [[3.0] * 6, [3] * 4, [2.0], [3.0] * 6]
    averaged = parameters()[:1]
    dist.all_reduce_params(iter(averaged), op="mean")
    assert averaged[0].flatten().tolist() == [1.5] * 6


@pytest.mark.world_size(2)
def test_the_processes_of_a_machine_form_a_group():
    rank = dist.get_rank()
    with pytest.raises(LaunchError, match="init_local_group"):
        dist.get_local_group()
    with pytest.raises(LaunchError, match="no part of 2 processes"):
        dist.init_local_group(0, 3)
    dist.init_local_group(rank, 1)
    assert dist.get_world_size(dist.get_local_group()) == 1
    assert (dist.get_local_rank(), dist.get_local_size()) == (rank, 2)  # as the launcher says: one machine
    with pytest.raises(LaunchError, match="already"):
        dist.init_local_group(rank, 1)
