"""What a schema can't say: each rule is a function from a `Context` to problems, with a page for `runner explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.errors import Problem
from runner.validation.rules.batch_size import base_batch_size
from runner.validation.rules.context import Context, Marks, origin_of
from runner.validation.rules.loops import type_and_by_epoch
from runner.validation.rules.schedulers import scheduler_without_optimizer
from runner.validation.rules.triples import not_built_together

__all__ = ["RULES", "Context", "Marks", "origin_of"]

RULES: tuple[Callable[[Context], Iterator[Problem]], ...] = (
    not_built_together,
    type_and_by_epoch,
    scheduler_without_optimizer,
    base_batch_size,
)
