"""Joining dictionaries."""

from __future__ import annotations

from typing import Any

__all__ = ["merge_dict"]


def merge_dict(*args: dict[str, Any]) -> dict[str, Any]:
    """One dictionary with the entries of several, later ones winning.

    Args:
        *args: The dictionaries.

    Raises:
        TypeError: One of them is none.
    """
    merged: dict[str, Any] = {}
    for each in args:
        if not isinstance(each, dict):
            raise TypeError(f"merge_dict takes dictionaries, got {type(each).__name__}")
        merged.update(each)
    return merged
