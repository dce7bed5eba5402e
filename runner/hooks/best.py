"""Which of two scores is the better one, and which is the best so far."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from runner.config.scores import GREATER_KEYS, LESS_KEYS, Rule, told_rule
from runner.errors import BuildError

__all__ = ["GREATER_KEYS", "LESS_KEYS", "Best", "Rule", "find_metric", "infer_rule", "missing_metric"]


@dataclass(slots=True, kw_only=True)
class Best:
    """The best score of a metric so far.

    Attributes:
        metric: The metric's name.
        rule: Whether `greater` or `less` is better.
        score: The score; the worst possible one as long as there is none.
        path: The checkpoint with these weights, None as long as there is none.
    """

    metric: str
    rule: Rule
    score: float
    path: str | None = None

    @classmethod
    def none_yet(cls, metric: str, rule: Rule) -> Best:
        """Start with a score that any other beats."""
        return cls(metric=metric, rule=rule, score=-inf if rule == "greater" else inf)

    def is_beaten_by(self, score: float) -> bool:
        """Whether a score is better than the best; NaN never is."""
        return score > self.score if self.rule == "greater" else score < self.score


def infer_rule(
    metric: str,
    greater_keys: Sequence[str] = GREATER_KEYS,
    less_keys: Sequence[str] = LESS_KEYS,
    asked_by: str = "CheckpointHook: save_best",
) -> Rule:
    """Guess from a metric's name, in any case, whether more or less of it is better.

    Args:
        metric: The name, as the evaluator gives it.
        greater_keys: Names, or parts of names, of which more is better.
        less_keys: Names, or parts of names, of which less is better.
        asked_by: Who names the metric, for the error.

    Raises:
        BuildError: The name says nothing.
    """
    rule = told_rule(metric, greater_keys, less_keys)
    if rule is not None:
        return rule
    raise BuildError(
        f"{asked_by} names '{metric}', whose name does not tell whether more or less of it is better; "
        "set rule to 'greater' or 'less'"
    )


def find_metric(metric: str, metrics: Sequence[str]) -> None:
    """Make sure that a validation gave the metric that `save_best` names.

    Args:
        metric: The metric's name.
        metrics: What the validation gave.

    Raises:
        BuildError: It did not; the error lists what it gave.
    """
    if metric not in metrics:
        raise BuildError(missing_metric("CheckpointHook: save_best", metric, metrics))


def missing_metric(asked_by: str, metric: str, metrics: Sequence[str]) -> str:
    """Say that a validation did not give a metric, what it gave, and which was probably meant."""
    close = difflib.get_close_matches(metric, metrics, n=1) or [name for name in metrics if name.endswith(f"/{metric}")]
    hint = f"; did you mean '{close[0]}'?" if close else ""
    listing = ", ".join(f"'{name}'" for name in metrics)
    return f"{asked_by} names '{metric}', but the validation gave {listing}{hint}"
