"""Losses that a model gives with its predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from runner import dist

__all__ = ["Losses"]


class Losses:
    """Collects losses over the batches of a validation or test. Nothing is read from the device before the end."""

    def __init__(self) -> None:
        self._collected: dict[str, list[torch.Tensor]] = {}

    def clear(self) -> None:
        """Forget them."""
        self._collected.clear()

    def take(self, outputs: Any) -> Any:
        """Take the losses out of a batch's outputs.

        Args:
            outputs: What the model returned.

        Returns:
            The outputs without the data element that held the losses.
        """
        if not isinstance(outputs, list | tuple) or not outputs:
            return outputs
        last = outputs[-1]
        if not hasattr(last, "metainfo_keys") or list(last.keys()) != ["loss"] or not hasattr(last.loss, "items"):
            return outputs
        for name, value in last.loss.items():
            self._collected.setdefault(name, []).extend(_terms(value))
        return outputs[:-1]

    def means(self, total: str) -> dict[str, float]:
        """The mean of each loss over everything that was collected on all ranks.

        Args:
            total: The name of the sum of those whose name contains `loss`.
        """
        per_rank = dist.all_gather_object({name: _sum(terms) for name, terms in self._collected.items()})
        names = dict.fromkeys(name for sums in per_rank for name in sums)
        if not names:
            return {}
        means = {}
        for name in names:
            sums, counts = zip(*(each[name] for each in per_rank if name in each), strict=True)
            means[name] = sum(sums) / sum(counts) if sum(counts) else float("nan")
        means[total] = sum(mean for name, mean in means.items() if "loss" in name)
        return means


def _terms(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value.detach()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _terms(each)
    elif isinstance(value, int | float):
        yield torch.tensor(value, dtype=torch.float64)


def _sum(terms: list[torch.Tensor]) -> tuple[float, int]:
    """The sum in double precision, as NumPy adds up, and the number of terms."""
    if not terms:
        return 0.0, 0
    values = torch.stack([term.reshape(()) for term in terms]).cpu().double()
    return float(np.sum(values.numpy())), len(terms)
