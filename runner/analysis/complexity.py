"""All counts of a model in one call."""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from torch import nn

from runner.analysis.analyzers import ActivationAnalyzer, FlopAnalyzer, parameter_count
from runner.analysis.tables import complexity_stats_str, complexity_stats_table, format_size

__all__ = ["Complexity", "get_model_complexity_info"]


class Complexity(TypedDict):
    """What `get_model_complexity_info` returns.

    Attributes:
        flops: Multiplications with their additions.
        flops_str: The same for people.
        activations: The sizes of what convolutions and products give.
        activations_str: The same for people.
        params: How many parameters there are.
        params_str: The same for people.
        out_table: A table by module.
        out_arch: The model as torch shows it, with the counts.
    """

    flops: int
    flops_str: str
    activations: int
    activations_str: str
    params: int
    params_str: str
    out_table: str
    out_arch: str


def get_model_complexity_info(
    model: nn.Module,
    input_shape: tuple[int, ...] | tuple[tuple[int, ...], ...] | None = None,
    inputs: Any = None,
    show_table: bool = True,
    show_arch: bool = True,
) -> Complexity:
    """How large a model is and how much one forward pass computes.

    Args:
        model: The model; it is called in the mode that it is in.
        input_shape: The shape of one sample, `(3, 224, 224)`, or of one for each argument; random numbers of it are fed.
        inputs: What the model is called with, in place of `input_shape`: a tensor, a tuple or a mapping.
        show_table: Whether the table is made.
        show_arch: Whether the model's form is drawn.

    Raises:
        ValueError: Neither or both of `input_shape` and `inputs` are given, or the shape is of another form.
    """
    if (input_shape is None) == (inputs is None):
        raise ValueError("give one of input_shape and inputs: the shape of a sample, or what the model is called with")
    if input_shape is not None:
        inputs = _random(model, input_shape)
    flops, activations = FlopAnalyzer(model, inputs), ActivationAnalyzer(model, inputs)
    for each in (flops, activations):
        each.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = {"flops": flops.total(), "activations": activations.total(), "params": parameter_count(model)[""]}
    drawn = "\n" + complexity_stats_str(flops, activations) if show_arch else ""
    return Complexity(
        flops=counts["flops"],
        flops_str=format_size(counts["flops"]),
        activations=counts["activations"],
        activations_str=format_size(counts["activations"]),
        params=counts["params"],
        params_str=format_size(counts["params"]),
        out_table="\n" + complexity_stats_table(flops, activations=activations) if show_table else "",
        out_arch=drawn,
    )


def _random(model: nn.Module, shape: Any) -> tuple[torch.Tensor, ...]:
    shapes = shape if shape and all(isinstance(each, tuple) for each in shape) else (shape,)
    if not all(isinstance(each, tuple) and each and all(isinstance(size, int) for size in each) for each in shapes):
        raise ValueError(f"input_shape is the shape of one sample, or a tuple of shapes, got {shape!r}")
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    return tuple(torch.randn(1, *each, device=device) for each in shapes)
