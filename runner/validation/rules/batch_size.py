"""Scaling the learning rate with the batch size."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.suggest import nearest

__all__ = ["base_batch_size"]


def base_batch_size(context: Context) -> Iterator[Problem]:
    """Scaling needs the batch size that the learning rate was tuned for."""
    scale = context.section("auto_scale_lr")
    key = "base_batch_size"
    if scale.get("enable") is not True or scale.get(key) is not None:
        return
    if any(nearest(other, [key, "enable"]) == key for other in scale if other not in {key, "enable"}):
        return
    message = "missing; the learning rate can't be scaled without the batch size that it was tuned for"
    yield context.problem("missing-base-batch-size", ("auto_scale_lr", key), message)
