"""Clipping gradients, by their norm or by their value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypedDict

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from runner.errors import BuildError
from runner.kinds import Interval
from runner.optim.options import check_keys, check_number

__all__ = ["ClipGrad", "Clipper", "make_clipper"]


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
    function: Callable[..., torch.Tensor | None] = clip_grad_norm_ if kind == "norm" else clip_grad_value_
    return functools.partial(function, **given), given


def _norm_type(value: object) -> float:
    if value == "inf":
        return float("inf")
    return check_number(value, name="clip_grad.norm_type", above=0)
