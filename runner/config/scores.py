"""Whether more or less of a metric is better, as far as its name tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

__all__ = ["GREATER_KEYS", "LESS_KEYS", "Rule", "told_rule"]

Rule: TypeAlias = Literal["greater", "less"]

GREATER_KEYS: Final = ("acc", "top", "AR@", "auc", "precision", "mAP", "mDice", "mIoU", "mAcc", "aAcc")
"""Metrics of which more is better: a name that equals one of these, or holds one."""
LESS_KEYS: Final = ("loss",)
"""Metrics of which less is better."""


def told_rule(metric: str, greater_keys: Sequence[str], less_keys: Sequence[str]) -> Rule | None:
    """Tell from a metric's name, in any case, whether more or less of it is better; None where it says nothing.

    The name is looked for among the keys, those of `greater` first; then each key within the name.

    Args:
        metric: The name, as the evaluator gives it.
        greater_keys: Names, or parts of names, of which more is better.
        less_keys: Names, or parts of names, of which less is better.
    """
    name = metric.lower()
    greater = [key.lower() for key in greater_keys]
    less = [key.lower() for key in less_keys]
    if name in greater:
        return "greater"
    if name in less:
        return "less"
    if any(key in name for key in greater):
        return "greater"
    if any(key in name for key in less):
        return "less"
    return None
