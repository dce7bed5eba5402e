"""What was probably meant: the nearest of the names that are allowed."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

__all__ = ["nearest"]

CUTOFF = 0.6
_SHORT = 3
"""Letters of a word in which one wrong letter weighs so much that half of them have to do."""
_LONG = 200
"""Letters of a word that is no misspelt name: difflib's time grows with the product of the lengths."""


def nearest(word: str, allowed: Iterable[str], *, cutoff: float | None = None) -> str | None:
    """The allowed name that a misspelt one stands for, or None where none is near.

    Names that differ in case, underscores or hyphens alone (`batchSize`, `batch-size`, `batchsize`) count as the same
    name. Others are compared by difflib's ratio.

    Args:
        word: What was found.
        allowed: What would have been right.
        cutoff: The least ratio, from 0 to 1; by default 0.6, and 0.5 for words of up to three letters.
    """
    # Only an unlucky run pays for difflib's import.
    import difflib

    if len(word) > _LONG:
        return None
    least = cutoff if cutoff is not None else CUTOFF if len(word) > _SHORT else 0.5
    names = [name for name in allowed if name != word]
    plain = _plain(word)
    same = [name for name in names if _plain(name) == plain]
    if same:
        return same[0]
    matcher = difflib.SequenceMatcher(None, "", plain)
    ratios: dict[str, float] = {}
    for name in names:
        matcher.set_seq1(_plain(name))
        # Cheap upper bounds first: most names are far off, and a config may have thousands of unknown keys.
        if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least and matcher.ratio() >= least:
            ratios[name] = matcher.ratio()
    # The spelling itself decides between names whose plain forms are equally near.
    return max(ratios, key=lambda name: (ratios[name], difflib.SequenceMatcher(None, word, name).ratio()), default=None)


@functools.lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.casefold())
