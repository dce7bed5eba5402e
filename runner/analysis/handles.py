"""How each operator counts: torch's own formulas where it has one, and estimates for norms and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from runner.analysis.recorder import Call

__all__ = ["ACTIVATIONS", "FLOPS", "IGNORED", "Handle", "short_name"]

Handle: TypeAlias = Callable[[list[Any], list[Any]], int | float]
"""Counts an operator from its inputs and outputs, which are tensors without data, and plain values."""

_SHORT = {
    "convolution": "conv",
    "_convolution": "conv",
    "cudnn_convolution": "conv",
    "native_batch_norm": "batch_norm",
    "cudnn_batch_norm": "batch_norm",
    "miopen_batch_norm": "batch_norm",
    "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_batch_norm_with_update": "batch_norm",
    "_batch_norm_no_update": "batch_norm",
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "_fused_rms_norm": "rms_norm",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "grid_sampler_2d": "grid_sampler",
}
"""What an operator is called where it is known under another name than the kernel's."""


def short_name(name: str, module: nn.Module | None = None) -> str:
    """An operator's name in the counts.

    Args:
        name: The kernel's.
        module: The module that calls it.
    """
    if name == "mean" and isinstance(module, nn.AdaptiveAvgPool2d):
        return "adaptive_avg_pool2d"  # torch takes a mean for a single number of each channel
    if "scaled_dot_product" in name:
        return "scaled_dot_product_attention"
    return _SHORT.get(name, name)


def _formula(call: Call) -> int:
    """Torch's own, in multiplications with their additions."""
    output = call.outputs[0] if len(call.outputs) == 1 else tuple(call.outputs)
    # The kernels for CPUs have no row of their own.
    overload = call.overload
    if overload not in flop_registry and "scaled_dot_product" in call.name:
        overload = torch.ops.aten._scaled_dot_product_flash_attention  # noqa: SLF001 - torch's name
    counted: int = flop_registry[overload](*call.inputs, **call.keywords, out_val=output)
    return counted // 2


def _norm(inputs: list[Any], affine: int) -> int:
    return int(inputs[0].numel()) * (5 if inputs[affine] is not None else 4)


def _batch_norm(call: Call) -> int:
    inputs = call.inputs
    training = call.name not in {"_native_batch_norm_legit_no_training", "_batch_norm_no_update"}
    if call.name in {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit"}:
        training = bool(next((each for each in inputs[1:] if isinstance(each, bool)), True))
    return _norm(inputs, 1) if training else int(inputs[0].numel()) * (2 if inputs[1] is not None else 1)


FLOPS: dict[str, Callable[[Call], int]] = {
    **dict.fromkeys(("conv", "addmm", "mm", "bmm", "baddbmm", "scaled_dot_product_attention"), _formula),
    "batch_norm": _batch_norm,
    "layer_norm": lambda call: _norm(call.inputs, 2),
    "rms_norm": lambda call: _norm(call.inputs, 2),
    "group_norm": lambda call: _norm(call.inputs, 1),
    "upsample_nearest2d": lambda call: int(call.outputs[0].numel()),
    "upsample_bilinear2d": lambda call: 4 * int(call.outputs[0].numel()),
    "grid_sampler": lambda call: 4 * int(call.outputs[0].numel()),
    "adaptive_avg_pool2d": lambda call: int(call.inputs[0].numel()),
}
"""FLOPs by the operator's short name. What norms and interpolation cost is a rough estimate."""

ACTIVATIONS: dict[str, Callable[[Call], int]] = dict.fromkeys(
    ("conv", "addmm", "mm", "bmm", "baddbmm", "scaled_dot_product_attention"), lambda call: int(call.outputs[0].numel())
)
"""The sizes of outputs that are counted, by the operator's short name: those of convolutions and products."""

_MOVES = """
    _to_copy _unsafe_view arange bernoulli_ cat clamp clamp_ clone constant_pad_nd copy_ detach empty embedding empty_like empty_permuted eq fill_
    flip full full_like gather ge gt index index_put_ index_select le lift_fresh lt masked_fill max max_pool2d_with_indices
    native_dropout ne new_empty new_full new_ones new_zeros nonzero ones ones_like randn relu relu_ repeat roll scalar_tensor
    split split_with_sizes stack topk tril triu where zero_ zeros zeros_like
"""
IGNORED = frozenset(_MOVES.split())
"""What moves numbers and computes next to nothing."""
