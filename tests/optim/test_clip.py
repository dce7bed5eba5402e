"""The norm of gradients of which ranks hold shares."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.nn.utils import get_total_norm

from runner import dist
from runner.optim.clip import make_clipper, norm_of_all


@pytest.mark.parametrize("norm_type", [1.0, 2.0, math.inf])
@pytest.mark.world_size(2)
def test_where_a_rank_has_an_empty_share(norm_type: float) -> None:
    mesh = init_device_mesh("cpu", (2,))
    whole = [torch.tensor([3.0, -4.0, 1.0]), torch.tensor([-12.0])]  # the second rank has nothing of the last one
    spread = [distribute_tensor(each, mesh, [Shard(0)]) for each in whole]
    alone = torch.tensor([5.0, -84.0])
    assert torch.allclose(norm_of_all(spread, norm_type), get_total_norm(whole, norm_type))
    assert torch.allclose(norm_of_all([*spread, alone], norm_type), get_total_norm([*whole, alone], norm_type))


@pytest.mark.world_size(2)
def test_what_is_not_a_number_on_one_rank_is_so_on_all() -> None:
    mesh = init_device_mesh("cpu", (2,))
    for spoiled in ([1.0, math.nan], [math.nan, 1.0], [1.0, math.inf], [math.nan, math.inf]):
        whole, alone = torch.tensor(spoiled), torch.tensor([2.0])
        spread = distribute_tensor(whole, mesh, [Shard(0)])
        for gradients, expected in (([spread], [whole]), ([spread, alone], [whole, alone])):
            norm = norm_of_all(gradients, math.inf)
            torch.testing.assert_close(norm, get_total_norm(expected, math.inf), equal_nan=True)


@pytest.mark.world_size(2)
def test_addends_are_added_up_before() -> None:
    mesh = init_device_mesh("cpu", (2,))
    own = [torch.tensor([3.0, 5.0, 0.5]), torch.tensor([3.0, -5.0, 0.25])][dist.get_rank()]
    assert norm_of_all([DTensor.from_local(own, mesh, [Partial()])], math.inf) == 6
    parameter = nn.Parameter(distribute_tensor(torch.zeros(3), mesh, [Replicate()]))
    parameter.grad = DTensor.from_local(own, mesh, [Partial()])
    clip, _ = make_clipper({"type": "value", "clip_value": 2.0})
    clip([parameter])
    assert parameter.grad.full_tensor().tolist() == [2.0, 0.0, 0.75]


@pytest.mark.world_size(2)
def test_ranks_may_have_shares_of_different_types() -> None:
    mesh = init_device_mesh("cpu", (2,))
    whole = [torch.tensor([3.0]), torch.tensor([1.0, -4.0], dtype=torch.bfloat16)]  # the first rank alone has float32
    spread = [distribute_tensor(each, mesh, [Shard(0)]) for each in whole]
    assert norm_of_all(spread, math.inf) == 4


def test_where_a_gradient_is_empty() -> None:
    empty = torch.empty(0, 3)
    assert norm_of_all([empty, torch.tensor([3.0, -4.0])], math.inf) == 4
    assert norm_of_all([empty], math.inf) == 0
