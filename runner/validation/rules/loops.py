"""Which training loop is meant."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context

__all__ = ["type_and_by_epoch"]


def type_and_by_epoch(context: Context) -> Iterator[Problem]:
    """`by_epoch` chooses a loop, and so does `type`."""
    train = context.section("train_cfg")
    if "type" in train and "by_epoch" in train:
        message = f"it chooses the loop, and so does 'type: {train['type']}' beside it; remove one of the two"
        yield context.problem("type-and-by-epoch", ("train_cfg", "by_epoch"), message)
