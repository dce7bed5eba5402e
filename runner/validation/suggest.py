"""What was probably meant: the nearest of the names that are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["nearest"]

CUTOFF = 0.6


def nearest(word: str, allowed: Iterable[str], *, cutoff: float = CUTOFF) -> str | None:
    """The allowed name that a misspelt one stands for, or None where none is near.

    Names that differ in case, underscores or hyphens alone (`batchSize`, `batch-size`, `batchsize`) count as the same
    name. Others are compared by difflib's ratio.

    Args:
        word: What was found.
        allowed: What would have been right.
        cutoff: The least ratio, from 0 to 1.
    """
    # Only an unlucky run pays for difflib's import.
    import difflib

    names = [name for name in allowed if name != word]
    plain = _plain(word)
    same = [name for name in names if _plain(name) == plain]
    if same:
        return same[0]
    ratios = {name: difflib.SequenceMatcher(None, plain, _plain(name)).ratio() for name in names}
    # The spelling itself decides between names whose plain forms are equally near.
    best = max(names, key=lambda name: (ratios[name], difflib.SequenceMatcher(None, word, name).ratio()), default=None)
    return best if best is not None and ratios[best] >= cutoff else None


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.casefold())
