"""Paths as people write them: `optim_wrapper.optimizer.lr`, `hooks.0.type`, `custom_keys."layer0.bias".lr_mult`."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Part", "split_path"]


class Part(NamedTuple):
    """One key or index of a path, with its offset in the text."""

    name: str
    offset: int
    width: int


_PART = re.compile(r"""(?P<plain>[^.'"=\s{}][^.=]*?)\s*(?=$|[.=])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'""")


def split_path(text: str, offset: int = 0) -> tuple[list[Part], int]:
    """Read a path; a key that holds a dot stands in quotes.

    Args:
        text: What holds the path.
        offset: Where in the text it begins.

    Returns:
        Its parts, and the offset of what ends it, an `=` or the end of the text.

    Raises:
        ValueError: No path stands there.
    """
    parts: list[Part] = []
    while True:
        match = _PART.match(text, offset)
        if match is None:
            raise ValueError(f"a key is missing at character {offset + 1} of {text[:80]!r}")
        parts.append(Part(match.group(match.lastgroup or 0), match.start(), match.end() - match.start()))
        offset = match.end()
        if offset == len(text) or text[offset] == "=":
            return parts, offset
        if text[offset] != ".":
            raise ValueError(f"a dot is missing at character {offset + 1} of {text[:80]!r}")
        offset += 1
