"""Which training loop is meant."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import part_at, train_loop

__all__ = ["oom_split", "type_and_by_epoch"]

_OPTIMIZERS = "runner.optim.optim_wrapper_dict:OptimWrapperDict"


def type_and_by_epoch(context: Context) -> Iterator[Problem]:
    """`by_epoch` chooses a loop, and so does `type`."""
    train = context.section("train_cfg")
    if "type" in train and "by_epoch" in train:
        message = f"it chooses the loop, and so does 'type: {train['type']}' beside it; remove one of the two"
        yield context.problem("type-and-by-epoch", ("train_cfg", "by_epoch"), message)


def oom_split(context: Context) -> Iterator[Problem]:
    """Steps that could not be divided when they run out of memory."""
    loop = train_loop(context)
    if loop is None or loop.value("on_oom") != "split":
        return
    wrapper = part_at(context, "optim_wrapper", ("optim_wrapper",))
    reason = None
    if wrapper is not None and wrapper.is_a(_OPTIMIZERS):
        reason = "a step with one update of one optimizer, and there are several"
    elif context.data.get("sync_bn") is not None:
        reason = "batches differently on each rank, and with sync_bn a forward pass waits for all of them"
    if reason is not None:
        message = f"'split' divides {reason}; give 'raise', and a smaller batch_size with accumulative_counts"
        yield context.problem("oom-split", ("train_cfg", "on_oom"), message, at="value")
