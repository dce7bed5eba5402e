"""Which weights count as finite: all that are, however large, in every type."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from runner.checkpoint.finite import require_finite
from runner.errors import NonFiniteError

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2]


def model(*values: float, dtype: torch.dtype = torch.float32, size: int = 1000) -> nn.Module:
    """A model of one layer, whose weight has these values somewhere in it."""
    module = nn.Linear(size, 3, dtype=torch.float32)
    for index, each in enumerate(values):
        module.weight.data[1, size // 2 + index] = each
    module.weight.data = module.weight.data.to(dtype)
    return module


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("values", [[float("nan")], [float("inf")], [-float("inf")], [float("inf"), -float("inf")]])
def test_one_value_is_found_and_its_tensor_named(dtype: torch.dtype, values: list[float]) -> None:
    with pytest.raises(NonFiniteError, match=r"epoch_1\.pth was not saved: weight is not finite"):
        require_finite(model(*values, dtype=dtype), "epoch_1.pth")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_values_whose_sum_and_whose_norm_overflow_are_finite(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    require_finite(model(*[min(largest, torch.finfo(torch.float32).max)] * 9, dtype=dtype), "epoch_1.pth")


def test_one_among_large_ones_is_found() -> None:
    with pytest.raises(NonFiniteError):
        require_finite(model(3e38, 3e38, 3e38, float("nan"), -3e38), "epoch_1.pth")


@pytest.mark.parametrize("value", [1e30, float("inf"), -float("inf")])
def test_a_buffer_may_be_infinite(value: float) -> None:
    module = model()
    module.register_buffer("mask", torch.tensor([value, 0.0, -value]))
    require_finite(module, "epoch_1.pth")
    module.mask[1] = float("nan")
    with pytest.raises(NonFiniteError, match="mask"):
        require_finite(module, "epoch_1.pth")


def test_what_holds_no_numbers_is_no_obstacle() -> None:
    module = nn.Linear(2, 3)
    module.register_parameter("none", nn.Parameter(torch.empty(0)))
    module.register_buffer("index", torch.tensor([1, 2]))
    module.register_parameter("empty", nn.Parameter(torch.empty(2, device="meta")))
    require_finite(module, "epoch_1.pth")
