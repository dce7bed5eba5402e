"""In which buckets DDP sends its gradients, so that a resumed run sends them in the same.

DDP deals them out once by the order of the model's parameters, and after the first backward pass anew, by the order in
which gradients got ready. A sum over more than two ranks depends on where in a bucket a number lies, and a compression
may keep something for each bucket.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.parallel import DistributedDataParallel

__all__ = ["bucket_order", "is_rebuilt", "rebuild_buckets"]


def is_rebuilt(model: DistributedDataParallel) -> bool:
    """Whether DDP deals out anew after the first backward pass, by what can be brought about again."""
    return not (model.find_unused_parameters or model.static_graph)


def bucket_order(model: DistributedDataParallel) -> list[list[str]]:
    """Names of parameters by bucket, in the order in which they lie there. Every rank calls this between two steps.

    Args:
        model: DDP's wrapper.

    Returns:
        Nothing where no backward pass has been through yet.
    """
    # What the next forward would do first.
    if model.reducer._rebuild_buckets():  # noqa: SLF001 - nothing public tells the buckets
        model._has_rebuilt_buckets = True  # noqa: SLF001
    if not model._has_rebuilt_buckets:  # noqa: SLF001
        return []
    names = {parameter: name for name, parameter in model.module.named_parameters()}
    buckets = model.reducer._get_zeros_like_grad_buckets()  # noqa: SLF001
    return [[names[parameter] for parameter in bucket.parameters()] for bucket in buckets]


def rebuild_buckets(model: DistributedDataParallel, order: Sequence[Sequence[str]]) -> bool:
    """Let DDP deal out its gradients as it did in another launch. Every rank calls this before the first step.

    By a backward pass of zeros in which gradients get ready in that order; those that parameters have are dropped.

    Args:
        model: DDP's wrapper, which was not run yet.
        order: What `bucket_order` returned there.

    Returns:
        Whether it has; not where the parameters are others, or something happens as soon as one has a gradient.
    """
    named = dict(model.module.named_parameters())
    managed = {name for name, parameter in named.items() if parameter.requires_grad}
    managed -= set(getattr(model, "parameters_to_ignore", ()))
    flat = [name for bucket in order for name in bucket]
    if set(flat) != managed or any(_has_hooks(named[name]) for name in flat):
        return False
    parameters = [named[name] for name in flat]
    for parameter in parameters:
        parameter.grad = None
    # The engine goes through what was computed last first.
    nothing = torch.zeros((), device=parameters[0].device)
    with torch.enable_grad():
        for parameter in reversed(parameters):
            nothing = nothing + parameter.reshape(-1)[:0].sum()
    model.reducer.prepare_for_forward()
    model.reducer.prepare_for_backward([])
    torch.autograd.backward([nothing])
    for parameter in parameters:
        parameter.grad = None
    return bucket_order(model) == [list(bucket) for bucket in order]


def _has_hooks(parameter: torch.nn.Parameter) -> bool:
    return bool(getattr(parameter, "_post_accumulate_grad_hooks", None))
