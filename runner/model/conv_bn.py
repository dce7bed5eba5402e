"""A convolution and the batch norm behind it, computed as one where the batch norm's statistics are fixed.

After "Tune-Mode ConvBN Blocks For Efficient Transfer Learning" (arXiv 2305.11624): the batch norm is worked into the
convolution's weights in each call, so that gradients flow to both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.errors import BuildError
from runner.model.by_name import each_named

__all__ = ["turn_on_efficient_conv_bn_eval"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def turn_on_efficient_conv_bn_eval(model: nn.Module, modules: str | Sequence[str]) -> int:
    """Compute each convolution and the batch norm behind it as one, while the batch norm is in evaluation mode.

    Less memory and time; the results differ from those of the two in their last bits. In training mode, nothing changes.

    Args:
        model: The model.
        modules: Dotted names of the modules in it whose convolutions and batch norms are meant.

    Returns:
        How many pairs were found.

    Raises:
        BuildError: The model has no such module, or torch.fx can't follow its forward.
    """
    found = 0
    for name, module, path in each_named(model, modules, "efficient_conv_bn_eval"):
        try:
            pairs = list(_pairs(module))
        except Exception as error:  # torch.fx runs the module's own code, which may raise anything
            raise BuildError(
                f"torch.fx can't follow the forward of '{name}' ({type(error).__name__}: {error}); name modules within it",
                path=path,
            ) from error
        for conv, norm in pairs:
            _join(conv, norm)
        found += len(pairs)
    return found


def _pairs(module: nn.Module) -> Iterator[tuple[Any, Any]]:
    """Convolutions whose only reader is a batch norm; each of both is called once."""
    from torch import fx

    graph = fx.Tracer().trace(module)
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times: dict[Any, int] = {}
    for node in calls:
        times[node.target] = times.get(node.target, 0) + 1
    for node in calls:
        norm = module.get_submodule(node.target)
        before = node.args[0] if node.args else None
        if not isinstance(norm, _BatchNorm) or norm.running_var is None or times[node.target] > 1:
            continue
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        conv = module.get_submodule(str(before.target))
        if isinstance(conv, _CONVOLUTIONS) and times[before.target] == 1:
            yield conv, norm


def _join(conv: Any, norm: Any) -> None:
    conv.forward = functools.partial(_convolve, conv.forward, conv, norm)
    norm.forward = functools.partial(_normalize, norm.forward, norm)


def _convolve(forward: Callable[[Tensor], Tensor], conv: Any, norm: Any, inputs: Tensor) -> Tensor:
    if norm.training:
        return forward(inputs)
    shape = [-1] + [1] * (conv.weight.dim() - 1)
    bias = conv.bias if conv.bias is not None else torch.zeros_like(norm.running_var)
    scale = norm.weight if norm.weight is not None else torch.ones_like(norm.running_var)
    shift = norm.bias if norm.bias is not None else torch.zeros_like(norm.running_var)
    factor = scale.reshape(shape) * torch.rsqrt(norm.running_var + norm.eps).reshape(shape)
    joined: Tensor = conv._conv_forward(  # noqa: SLF001 - torch's own way to convolve with other weights
        inputs, conv.weight * factor, shift + factor.flatten() * (bias - norm.running_mean)
    )
    return joined


def _normalize(forward: Callable[[Tensor], Tensor], norm: Any, inputs: Tensor) -> Tensor:
    return forward(inputs) if norm.training else inputs
