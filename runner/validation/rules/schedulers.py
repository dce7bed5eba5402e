"""Parameter schedulers against the rest of the config."""

from __future__ import annotations

from collections.abc import Iterator

from runner.config.triples import TRIPLES
from runner.errors import Problem
from runner.validation.rules.context import Context

__all__ = ["scheduler_without_optimizer"]


def scheduler_without_optimizer(context: Context) -> Iterator[Problem]:
    """A scheduler changes the hyper-parameters of an optimizer."""
    # With the rest of the training triple there, the missing optimizer is that triple's problem.
    if (
        context.has("param_scheduler")
        and not any(map(context.has, TRIPLES[0]))
        and not context.misspelt("optim_wrapper")
    ):
        message = "there is no optimizer whose hyper-parameters it could change; give optim_wrapper, or remove it"
        yield context.problem("scheduler-without-optimizer", ("param_scheduler",), message)
