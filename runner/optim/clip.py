"""Clipping gradients, by their norm or by their value."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypedDict

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from runner import dist
from runner.dist.sharding import is_dtensor, local
from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.options import check_keys, check_number

__all__ = ["ClipGrad", "Clipper", "make_clipper", "norm_of_all"]


class ClipGrad(TypedDict, total=False):
    """How gradients are clipped before each update.

    Attributes:
        type: `norm` scales all gradients together, `value` limits each element. Default: `norm`.
        max_norm: For `norm`: the largest norm of all gradients together. Required there; `.inf` only measures it.
        norm_type: For `norm`: which p-norm; `inf` for the largest absolute value. Default: 2.
        error_if_nonfinite: For `norm`: raise an error when the norm is NaN or infinite. Waits for the device at each
            update. Default: false.
        foreach: Work on all gradients at once; null decides by the device. Default: null.
        clip_value: For `value`: the largest absolute value of an element. Required there.
    """

    type: Literal["norm", "value"]
    max_norm: Annotated[float, Interval(gt=0)]
    norm_type: float | Literal["inf"]
    error_if_nonfinite: bool
    foreach: bool | None
    clip_value: Annotated[float, Interval(gt=0)]


_EPSILON: Final = 1e-6
"""torch's, which keeps the factor finite."""

Clipper = Callable[[list[torch.Tensor]], torch.Tensor | None]
"""Clips the gradients of parameters in place; returns their norm before that, where it was measured."""

_KEYS = {
    "norm": ("max_norm", ("norm_type", "error_if_nonfinite", "foreach")),
    "value": ("clip_value", ("foreach",)),
}


def make_clipper(options: ClipGrad | Mapping[str, Any]) -> tuple[Clipper, dict[str, Any]]:
    """Check the options once, so that a step only calls torch.

    Args:
        options: The `clip_grad` of an optimizer wrapper.

    Returns:
        The function that clips, and the keyword arguments that it passes to torch.

    Raises:
        BuildError: An option is unknown, missing, or of the wrong type.
    """
    every = {"type", *(key for bound, others in _KEYS.values() for key in (bound, *others))}
    given = dict(check_keys(options, every, name="clip_grad"))
    kind = given.pop("type", "norm")
    if kind not in _KEYS:
        raise BuildError(f"clip_grad.type must be 'norm' or 'value', got {kind!r}")
    bound, others = _KEYS[kind]
    check_keys(given, (bound, *others), name=f"clip_grad of type '{kind}'")
    if bound not in given:
        raise BuildError(f"clip_grad of type '{kind}' needs '{bound}', the bound to clip at")
    check_number(given[bound], name=f"clip_grad.{bound}", above=0)
    if "norm_type" in given:
        given["norm_type"] = _norm_type(given["norm_type"])
    function: Callable[..., torch.Tensor | None] = _clip_norm if kind == "norm" else _clip_value
    return functools.partial(function, **given), given


def _clip_norm(parameters: list[torch.Tensor], max_norm: float, **options: Any) -> torch.Tensor:
    if any(is_dtensor(each) for each in parameters):
        return clip_sharded_norm(parameters, max_norm, **options)
    return clip_grad_norm_(parameters, max_norm, **options)


def _clip_value(parameters: list[torch.Tensor], clip_value: float, foreach: bool | None = None) -> None:
    if not any(is_dtensor(each) for each in parameters):
        clip_grad_value_(parameters, clip_value, foreach=foreach)
        return
    for each in parameters:
        if each.grad is not None:
            each.grad = _summed(each.grad)
            local(each.grad).clamp_(-clip_value, clip_value)


def clip_sharded_norm(
    parameters: list[torch.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> torch.Tensor:
    """Clip gradients of which ranks hold shares by the norm of all of them together, as `clip_grad_norm_` does.

    Args:
        parameters: Whose gradients; some may be whole on each rank, others spread over one mesh or another.
        max_norm: The largest norm.
        norm_type: Which p-norm.
        error_if_nonfinite: Raise an error when the norm is NaN or infinite.
        foreach: Work on all gradients at once; null decides by the device.

    Returns:
        The norm before, the same tensor on all ranks.
    """
    gradients = [each.grad for each in parameters if each.grad is not None]
    total = norm_of_all(gradients, norm_type, foreach=foreach)
    if error_if_nonfinite and not torch.isfinite(total):
        raise RuntimeError(f"the gradients' norm of order {norm_type} is {total.item()}, so they can't be clipped")
    factor = torch.clamp(max_norm / (total + _EPSILON), max=1.0)
    shares = [local(each) for each in gradients]
    torch._foreach_mul_(shares, factor.to(shares[0].device))
    return total


def norm_of_all(gradients: list[torch.Tensor], norm_type: float = 2.0, *, foreach: bool | None = None) -> torch.Tensor:
    """The norm of gradients of which ranks may hold shares, of all of them together: the same tensor on all ranks.

    Args:
        gradients: Some may be whole on each rank, others spread over one mesh or another; some may be empty.
        norm_type: Which p-norm.
        foreach: Work on all gradients at once; null decides by the device.
    """
    groups: dict[Any, list[torch.Tensor]] = {}
    for gradient in map(_summed, gradients) if math.isinf(norm_type) else gradients:
        spread: Any = gradient
        groups.setdefault((spread.device_mesh, spread.placements) if is_dtensor(gradient) else None, []).append(
            gradient
        )
    norms = []
    for group in groups.values():
        if math.isinf(norm_type):
            norms.append(_largest(group, foreach))
            continue
        # torch puts the norms of one mesh together, not those of two.
        norm: Any = get_total_norm(group, norm_type, foreach=foreach)
        norms.append(norm.full_tensor() if is_dtensor(norm) else norm)
    total: torch.Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), norm_type)
    return total


def _summed(gradient: torch.Tensor) -> torch.Tensor:
    """A gradient of which ranks hold addends, as tensor parallelism leaves them, with these added up; any other as it is."""
    spread: Any = gradient
    if not is_dtensor(gradient) or not any(each.is_partial() for each in spread.placements):
        return gradient
    from torch.distributed.tensor import Replicate  # where there is such a tensor it is imported already

    summed: torch.Tensor = spread.redistribute(
        placements=[Replicate() if each.is_partial() else each for each in spread.placements]
    )
    return summed


def _largest(gradients: list[torch.Tensor], foreach: bool | None) -> torch.Tensor:
    """The largest absolute value, NaN if one is. torch's own fails where a gradient, or a rank's share of it, is empty."""
    shares = [share for share in map(local, gradients) if share.numel()]
    largest = get_total_norm(shares, math.inf, foreach=foreach) if shares else local(gradients[0]).new_zeros(())
    if not is_dtensor(gradients[0]):
        return largest
    # Of one type on all ranks, whichever of the gradients this one has a share of.
    largest = largest.to(functools.reduce(torch.promote_types, (each.dtype for each in gradients)))
    # Two numbers, since gloo's maximum of NaN and a number is the number.
    is_nan = largest.isnan()
    both = torch.stack([largest.masked_fill(is_nan, 0), is_nan.to(largest.dtype)])
    dist.all_reduce(both, "max")
    return both[0].masked_fill(both[1] > 0, math.nan)


def _norm_type(value: object) -> float:
    if value == "inf":
        return float("inf")
    return check_number(value, name="clip_grad.norm_type", above=0)
