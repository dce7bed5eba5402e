"""Sequences: what they hold, taking them apart and putting them together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

__all__ = [
    "apply_to",
    "concat_list",
    "is_list_of",
    "is_seq_of",
    "is_tuple_of",
    "slice_list",
    "to_1tuple",
    "to_2tuple",
    "to_3tuple",
    "to_4tuple",
    "to_ntuple",
]

_T = TypeVar("_T")


def is_seq_of(seq: Any, expected_type: type | tuple[type, ...], seq_type: type | None = None) -> bool:
    """Whether something is a sequence whose items are all of a type.

    Args:
        seq: Anything.
        expected_type: What each item has to be.
        seq_type: What the sequence has to be; any sequence when None.
    """
    wanted: Any = seq_type or Sequence
    return isinstance(seq, wanted) and all(isinstance(item, expected_type) for item in seq)


def is_list_of(seq: Any, expected_type: type | tuple[type, ...]) -> bool:
    """Whether something is a list whose items are all of a type."""
    return is_seq_of(seq, expected_type, list)


def is_tuple_of(seq: Any, expected_type: type | tuple[type, ...]) -> bool:
    """Whether something is a tuple whose items are all of a type."""
    return is_seq_of(seq, expected_type, tuple)


def to_ntuple(n: int) -> Callable[[Any], Any]:
    """A function that repeats a single value n times, and gives what can be iterated over back as it is."""

    def parse(x: Any) -> Any:
        return x if isinstance(x, Iterable) else (x,) * n

    return parse


to_1tuple = to_ntuple(1)
to_2tuple = to_ntuple(2)
to_3tuple = to_ntuple(3)
to_4tuple = to_ntuple(4)


def slice_list(in_list: list[_T], lens: int | list[int]) -> list[list[_T]]:
    """Cut a list into pieces.

    Args:
        in_list: The list.
        lens: Each piece's length; a single number for pieces of equal length.

    Raises:
        ValueError: The lengths don't add up to the list's.
    """
    if isinstance(lens, int):
        if len(in_list) % lens:
            raise ValueError(f"slice_list: {len(in_list)} items can't be cut into pieces of {lens}")
        lens = [lens] * (len(in_list) // lens)
    if not isinstance(lens, list):
        raise TypeError(f"slice_list: lens is a {type(lens).__name__}; it must be a number or a list of numbers")
    if sum(lens) != len(in_list):
        raise ValueError(f"slice_list: the lengths add up to {sum(lens)}; there are {len(in_list)} items")
    ends = list(itertools.accumulate(lens, initial=0))
    return [in_list[start:end] for start, end in itertools.pairwise(ends)]


def concat_list(in_list: Iterable[Iterable[_T]]) -> list[_T]:
    """Put lists together to one."""
    return list(itertools.chain.from_iterable(in_list))


def apply_to(data: Any, expr: Callable[[Any], bool], apply_func: Callable[[Any], Any]) -> Any:
    """Change some leaves of nested data; containers are made anew, of the same types.

    Args:
        data: Mappings, lists and tuples, nested as they like, or a single value.
        expr: Says of a leaf whether it is to be changed.
        apply_func: Changes it.
    """
    if isinstance(data, dict):
        changed = type(data)()
        for key, value in data.items():
            changed[key] = apply_to(value, expr, apply_func)
        return changed
    if isinstance(data, (tuple, list)):
        items = (apply_to(value, expr, apply_func) for value in data)
        # A named tuple takes its fields one by one.
        return type(data)(*items) if hasattr(data, "_fields") else type(data)(items)
    return apply_func(data) if expr(data) else data
