"""A batch cut along its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

__all__ = ["Collation", "IndivisibleError", "cut", "samples_in"]

Collation: TypeAlias = Literal["stacked", "listed", "other"]
"""How samples were put together: by `default_collate`, by `pseudo_collate`, or in a way of the user's own."""


class IndivisibleError(Exception):
    """A batch in which the samples can't be told apart."""


def samples_in(batch: Any) -> int:
    """The number of samples, told by the batch alone.

    Args:
        batch: Tensors and arrays whose first axis is that of the samples, lists of samples, and mappings, lists and
            tuples of these.

    Raises:
        IndivisibleError: Its parts have different lengths, or none.
    """
    sizes = set(_sizes(batch))
    if len(sizes) != 1:
        raise IndivisibleError(f"its parts have {', '.join(map(str, sorted(sizes))) or 'no'} samples")
    return sizes.pop()


def cut(batch: Any, samples: int, start: int, stop: int, *, collation: Collation = "other") -> Any:
    """The samples from `start` up to `stop` of a batch, in the same structure.

    Numbers, texts and tensors without an axis belong to all samples.

    Args:
        batch: As for `samples_in`.
        samples: How many it has.
        start: The first sample.
        stop: The one after the last.
        collation: Tells fields of samples from samples where both would do: a list of tensors in a list is samples for
            `pseudo_collate`, and fields for `default_collate`. Otherwise the outermost list is of fields, and one within
            is of samples.

    Raises:
        IndivisibleError: Some part has another number of samples, or can't be cut.
    """
    return _cut(batch, samples, slice(start, stop), collation, is_outermost=True, path="")


def _cut(value: Any, samples: int, part: slice, collation: Collation, *, is_outermost: bool, path: str) -> Any:
    if isinstance(value, torch.Tensor | np.ndarray):
        return value[part] if value.ndim and _agrees(len(value), samples, path) else value
    if _is_shared(value):
        return value

    def within(key: object, inner: Any) -> Any:
        return _cut(inner, samples, part, collation, is_outermost=False, path=f"{path}[{key!r}]")

    if isinstance(value, Mapping):
        made = {key: within(key, inner) for key, inner in value.items()}
        return made if type(value) is dict else _as(type(value), made)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(within(name, inner) for name, inner in zip(value._fields, value, strict=True)))
    if isinstance(value, list | tuple):
        fields = lambda: [within(number, inner) for number, inner in enumerate(value)]  # noqa: E731 - one of two ways
        return _as(
            type(value), _cut_list(value, samples, part, collation, fields, is_outermost=is_outermost, path=path)
        )
    if hasattr(value, "metainfo_keys") and hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return value[part] if _agrees(len(value), samples, path) else value
    raise IndivisibleError(f"batch{path} is a {type(value).__name__}, which can't be cut")


def _cut_list(
    value: Sequence[Any],
    samples: int,
    part: slice,
    collation: Collation,
    fields: Callable[[], list[Any]],
    *,
    is_outermost: bool,
    path: str,
) -> list[Any]:
    """Cut a list of samples, or of fields that have samples each."""
    if not value:
        return []
    may_be_fields = all(isinstance(each, torch.Tensor | np.ndarray | list | tuple | Mapping) for each in value)
    if not may_be_fields:
        holds_fields = any(isinstance(each, torch.Tensor | np.ndarray) and each.ndim for each in value)
        if holds_fields and len(value) != samples:
            return fields()  # with something beside them that belongs to all
        _agrees(len(value), samples, path)
        return list(value[part])
    are_arrays = all(isinstance(each, torch.Tensor | np.ndarray) for each in value)
    prefers_samples = are_arrays and (collation == "listed" or (collation == "other" and not is_outermost))
    if prefers_samples and len(value) == samples:
        return list(value[part])
    try:
        return fields()
    except IndivisibleError:
        if len(value) != samples:
            raise
        return list(value[part])


def _agrees(length: int, samples: int, path: str) -> bool:
    if length != samples:
        raise IndivisibleError(f"batch{path} has a length of {length}, and there are {samples} samples")
    return True


def _sizes(value: Any) -> Iterator[int]:
    if isinstance(value, torch.Tensor | np.ndarray):
        if value.ndim:
            yield len(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _sizes(inner)
    elif isinstance(value, list | tuple) and value:
        if all(isinstance(each, torch.Tensor | np.ndarray | list | tuple | Mapping) for each in value):
            for inner in value:
                yield from _sizes(inner)
        else:
            yield len(value)


def _is_shared(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes | int | float | complex)


def _as(kind: Any, made: Any) -> Any:
    """The same structure where it can be made; a plain one elsewhere."""
    try:
        return kind(made)
    except TypeError:
        return made
