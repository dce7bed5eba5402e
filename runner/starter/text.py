"""YAML for people: lines with the comment behind them, or above where it is long."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

__all__ = ["WIDTH", "flow", "heading", "line"]

WIDTH = 120
_COLUMN = 28
_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def line(text: str, comment: str = "", *, indent: int = 0) -> str:
    """A line with a comment, and its end.

    Args:
        text: The line, without indentation.
        comment: What it means; one that is too long for the line stands above it.
        indent: Spaces in front.
    """
    start = " " * indent + text
    if not comment:
        return start + "\n"
    behind = f"{start.ljust(_COLUMN)}  # {comment}"
    if len(behind) <= WIDTH:
        return behind + "\n"
    above = textwrap.wrap(comment, WIDTH - indent - 2)
    return "".join(f"{' ' * indent}# {each}\n" for each in above) + start + "\n"


def heading(text: str) -> str:
    """An empty line and a line across the page."""
    return f"\n{f'# ---- {text} '.ljust(WIDTH, '-')}\n\n"


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
