"""Functions that fill one module's `weight` and `bias`, under MMEngine's names. A module without either is passed over."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import init

__all__ = [
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "constant_init",
    "kaiming_init",
    "normal_init",
    "trunc_normal_init",
    "uniform_init",
    "xavier_init",
]


def _weight(module: nn.Module) -> Tensor | None:
    found = getattr(module, "weight", None)
    return found if isinstance(found, Tensor) else None


def _fill_bias(module: nn.Module, bias: float) -> None:
    found = getattr(module, "bias", None)
    if isinstance(found, Tensor):
        init.constant_(found, bias)


def constant_init(module: nn.Module, val: float, bias: float = 0) -> None:
    """Fill with one value.

    Args:
        module: The module.
        val: What its weight is filled with.
        bias: What its bias is filled with.
    """
    weight = _weight(module)
    if weight is not None:
        init.constant_(weight, val)
    _fill_bias(module, bias)


def xavier_init(module: nn.Module, gain: float = 1, bias: float = 0, distribution: str = "normal") -> None:
    """Fill by Glorot and Bengio.

    Args:
        module: The module.
        gain: Multiplies the standard deviation.
        bias: What its bias is filled with.
        distribution: `normal` or `uniform`.
    """
    weight = _weight(module)
    fill = init.xavier_uniform_ if _is_uniform(distribution) else init.xavier_normal_
    if weight is not None:
        fill(weight, gain=gain)
    _fill_bias(module, bias)


def normal_init(module: nn.Module, mean: float = 0, std: float = 1, bias: float = 0) -> None:
    """Fill from a normal distribution.

    Args:
        module: The module.
        mean: The distribution's mean.
        std: Its standard deviation.
        bias: What the module's bias is filled with.
    """
    weight = _weight(module)
    if weight is not None:
        init.normal_(weight, mean, std)
    _fill_bias(module, bias)


def trunc_normal_init(
    module: nn.Module, mean: float = 0, std: float = 1, a: float = -2, b: float = 2, bias: float = 0
) -> None:
    """Fill from a normal distribution that is cut off.

    Args:
        module: The module.
        mean: The distribution's mean.
        std: Its standard deviation.
        a: The smallest value.
        b: The largest value.
        bias: What the module's bias is filled with.
    """
    weight = _weight(module)
    if weight is not None:
        _fill_truncated(weight, mean, std, a, b)
    _fill_bias(module, bias)


@torch.no_grad()
def _fill_truncated(tensor: Tensor, mean: float, std: float, a: float, b: float) -> None:
    """Draw uniformly between the limits' quantiles and map to values, as torch did until it draws anew what lies outside.

    So a seed gives the weights that it gives in MMEngine, whatever torch's version.
    """
    lower, upper = ((1.0 + math.erf((limit - mean) / std / math.sqrt(2.0))) / 2.0 for limit in (a, b))
    tensor.uniform_(2 * lower - 1, 2 * upper - 1).erfinv_()
    tensor.mul_(std * math.sqrt(2.0)).add_(mean).clamp_(min=a, max=b)


def uniform_init(module: nn.Module, a: float = 0, b: float = 1, bias: float = 0) -> None:
    """Fill from a uniform distribution.

    Args:
        module: The module.
        a: The smallest value.
        b: The largest value.
        bias: What the module's bias is filled with.
    """
    weight = _weight(module)
    if weight is not None:
        init.uniform_(weight, a, b)
    _fill_bias(module, bias)


def kaiming_init(
    module: nn.Module,
    a: float = 0,
    mode: Literal["fan_in", "fan_out"] = "fan_out",
    nonlinearity: str = "relu",
    bias: float = 0,
    distribution: str = "normal",
) -> None:
    """Fill by He and others.

    Args:
        module: The module.
        a: The slope of the leaky ReLU that follows.
        mode: `fan_in` or `fan_out`.
        nonlinearity: The function that follows, by its name in `torch.nn.functional`.
        bias: What the module's bias is filled with.
        distribution: `normal` or `uniform`.
    """
    weight = _weight(module)
    fill = init.kaiming_uniform_ if _is_uniform(distribution) else init.kaiming_normal_
    if weight is not None:
        fill(weight, a=a, mode=mode, nonlinearity=nonlinearity)  # type: ignore[arg-type]  # torch checks the name
    _fill_bias(module, bias)


def caffe2_xavier_init(module: nn.Module, bias: float = 0) -> None:
    """Fill as Caffe2's XavierFill.

    Args:
        module: The module.
        bias: What its bias is filled with.
    """
    kaiming_init(module, a=1, mode="fan_in", nonlinearity="leaky_relu", bias=bias, distribution="uniform")


def bias_init_with_prob(prior_prob: float) -> float:
    """The bias whose sigmoid is a probability, as the last layers of detectors begin with.

    Args:
        prior_prob: Between 0 and 1.
    """
    return -math.log((1 - prior_prob) / prior_prob)


def _is_uniform(distribution: str) -> bool:
    if distribution not in {"normal", "uniform"}:
        raise ValueError(f"distribution must be 'normal' or 'uniform', got {distribution!r}")
    return distribution == "uniform"
