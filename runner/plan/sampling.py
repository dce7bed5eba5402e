"""Which points of a long schedule are kept: enough for a smooth curve, and every place where it breaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "sample"]

MOST = 2000
"""Points of a schedule that are kept."""


def sample(values: Sequence[float], boundaries: Iterable[int] = (), most: int = MOST) -> list[int]:
    """Choose the steps to keep: all of a short schedule; of a constant one the ends; of a long one a grid and its breaks.

    A break is a step at which the second difference leaps: a jump (both its sides) or a kink. On a curve without
    breaks the second difference changes little from one step to the next.

    Args:
        values: The value of each step.
        boundaries: Steps to keep in any case, with those before and after them: where a schedule's window begins and
            ends.
        most: How many to keep.
    """
    length = len(values)
    if length == 0:
        return []
    curve = np.asarray(values, dtype=np.float64)
    if np.all(curve == curve[0]):
        return sorted({0, length - 1})
    if length <= most:
        return list(range(length))
    near = {step + side for step in boundaries for side in (-1, 0, 1)}
    kept = {0, length - 1, *(step for step in near if 0 <= step < length)}
    breaks = _breaks(curve)
    room = most - len(kept)
    if breaks.size > room // 2:
        # A staircase with more steps than there is room: the largest ones, and the grid for the rest.
        size = np.abs(np.diff(curve, prepend=curve[0])) + np.abs(np.diff(curve, append=curve[-1]))
        breaks = breaks[np.argsort(-size[breaks], kind="stable")][: room // 2]
    kept |= set(breaks.tolist())
    grid = np.linspace(0, length - 1, num=max(most - len(kept), 2)).astype(int)
    return sorted(kept | set(grid.tolist()))


def _breaks(curve: NDArray[np.float64]) -> NDArray[np.int64]:
    """The steps at which the second difference is far larger than two steps before and after."""
    bend = np.abs(np.diff(curve, n=2))
    padded = np.pad(bend, 2)
    around = np.maximum(padded[:-4], padded[4:])
    rounding = 1e-9 * (np.abs(curve[:-2]) + np.abs(curve[1:-1]) + np.abs(curve[2:]))
    return np.flatnonzero(bend > 4 * around + rounding).astype(np.int64) + 1
