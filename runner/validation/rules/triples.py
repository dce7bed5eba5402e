"""Fields that are only of use together."""

from __future__ import annotations

from collections.abc import Iterator

from runner.config.triples import TRIPLES
from runner.errors import Problem
from runner.validation.rules.context import Context

__all__ = ["not_built_together"]


def not_built_together(context: Context) -> Iterator[Problem]:
    """A loop needs its data and what it does with the outputs: all three, or none."""
    for triple in TRIPLES:
        given = [name for name in triple if context.has(name)]
        missing = [name for name in triple if not context.has(name)]
        if not given or not missing or any(context.misspelt(name) for name in missing):
            continue
        message = (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing beside it; "
            f"give all of {', '.join(triple)}, or none"
        )
        yield context.problem("not-built-together", (given[0],), message)
    yield from _augmentation(context)


def _augmentation(context: Context) -> Iterator[Problem]:
    """What makes several views of a sample, and what makes one prediction of theirs; `--tta` alone reads the two."""
    for given, missing in (("tta_model", "tta_pipeline"), ("tta_pipeline", "tta_model")):
        if context.has(given) and not context.has(missing) and not context.misspelt(missing):
            message = f"{missing} is missing beside it, and --tta needs both"
            yield context.problem("not-built-together", (given,), message, severity="warning")
