"""A clock that all ranks see strike at the same iteration."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import distributed as torch_dist

from runner import dist

__all__ = ["SharedClock"]

SOON = 0.25
"""The part of the time that is left after which the ranks ask again."""
MOST_ITERATIONS = 1000


class SharedClock:
    """Says, at the end of an iteration, whether so many seconds have passed.

    Rank 0's clock counts. It tells the others in a group of their own, over the CPU, so that no collective of the
    training is disturbed and no device is waited for; and not in each iteration: with each answer it says how many
    iterations later they meet again, by how fast it has been.

    Args:
        seconds: From one stroke to the next.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._group: Any = None

    def start(self) -> None:
        """Start anew, and make the group at the first time. Every rank calls this."""
        if dist.is_distributed() and dist.get_world_size() > 1 and self._group is None:
            self._group = torch_dist.new_group(backend="gloo")
        self._iterations = 0
        self._next = 1
        self.reset()

    def reset(self) -> None:
        """Begin to count the seconds now."""
        self._since = time.monotonic()
        self._asked = self._since

    def strikes(self) -> bool:
        """Whether the time is over. Every rank calls this after each of its iterations; the answers are equal."""
        if self._group is None:
            return time.monotonic() - self._since >= self.seconds
        self._iterations += 1
        if self._iterations < self._next:
            return False
        now = time.monotonic()
        left = self.seconds - (now - self._since)
        pace = (now - self._asked) / self._iterations
        ahead = int(SOON * left / pace) if pace > 0 and left > 0 else 1
        answer = torch.tensor([left <= 0, min(max(ahead, 1), MOST_ITERATIONS)], dtype=torch.int64)
        torch_dist.broadcast(answer, src=0, group=self._group)
        is_over, self._next = answer.tolist()
        self._iterations, self._asked = 0, now
        return bool(is_over)
