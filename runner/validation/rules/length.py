"""How long a run is, in the unit that its training loop counts in."""

from __future__ import annotations

from runner.validation.rules.context import Context
from runner.validation.rules.parts import number, train_loop

__all__ = ["EPOCH_LOOP", "ITERATION_LOOP", "counts_epochs", "run_length", "units"]

EPOCH_LOOP = "runner.loops.train:EpochBasedTrainLoop"
ITERATION_LOOP = "runner.loops.train:IterBasedTrainLoop"


def counts_epochs(context: Context) -> bool | None:
    """Whether the training loop counts epochs; None for a loop of somebody else's, which may count as it likes."""
    loop = train_loop(context)
    if loop is None or not loop.is_just(EPOCH_LOOP, ITERATION_LOOP):
        return None
    return loop.is_just(EPOCH_LOOP)


def run_length(context: Context, *, epochs: bool) -> int | None:
    """How many epochs or iterations the run has; None where the loop counts the other, or where it is not known."""
    loop = train_loop(context)
    if loop is None or counts_epochs(context) is not epochs:
        return None
    return number(loop, "max_epochs" if epochs else "max_iters")


def units(count: int, *, epochs: bool) -> str:
    """A number of epochs or iterations in words."""
    return f"{count} {'epoch' if epochs else 'iteration'}{'' if count == 1 else 's'}"
