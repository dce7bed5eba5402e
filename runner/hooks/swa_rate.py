"""The learning rate while weights are averaged: from what it was to a constant one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch

from runner.errors import BuildError

__all__ = ["SWARate", "Strategy"]

Strategy: TypeAlias = Literal["cos", "linear"]


class SWARate:
    """Anneals the learning rates to constant ones, with the values of `torch.optim.swa_utils.SWALR`.

    Args:
        target: The rate that all groups come to, or one for each group.
        length: Steps until then; 0 is at once.
        strategy: Whether the way there is a cosine or a line.

    Attributes:
        start: The rates of the groups when it began; None before that.
    """

    def __init__(self, target: float | Sequence[float], length: int, strategy: Strategy) -> None:
        self.target = target
        self.length = length
        self.strategy = strategy
        self.start: list[float] | None = None

    def set(self, groups: list[dict[str, Any]], steps: int) -> None:
        """Give the groups their rates, whatever a schedule has set.

        Args:
            groups: An optimizer's groups.
            steps: Steps since it began.
        """
        if self.start is None:
            self.start = [float(group["lr"]) for group in groups]
        targets = self._targets(len(groups))
        done = min(1.0, steps / self.length) if self.length else 1.0
        share = (1 - math.cos(math.pi * done)) / 2 if self.strategy == "cos" else done
        for group, start, target in zip(groups, self.start, targets, strict=True):
            rate = target * share + start * (1 - share)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _targets(self, groups: int) -> list[float]:
        if isinstance(self.target, (int, float)):
            return [float(self.target)] * groups
        if len(self.target) != groups:
            raise BuildError(
                f"SWAHook: swa_lr has {len(self.target)} rates for an optimizer with {groups} groups; give one for each, "
                "or one for all"
            )
        return list(self.target)
