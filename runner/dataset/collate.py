"""Samples into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch.utils.data import default_collate as torch_default_collate
from torch.utils.data import get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

__all__ = ["default_collate", "pseudo_collate", "sooner"]

_TORCHS: Final = dict(default_collate_fn_map)
"""What torch does with each type, unless somebody changed it."""


def pseudo_collate(data_batch: Sequence[Any]) -> Any:
    """Group samples field by field, stacking nothing: tensors of any shapes stay a list.

    Args:
        data_batch: Samples of one structure.

    Returns:
        The samples' structure with a list of the batch's values at each leaf; a tuple becomes a list.
    """
    return _collate(data_batch, _as_it_is)


def default_collate(data_batch: Sequence[Any]) -> Any:
    """Group samples field by field and stack them: tensors, arrays and numbers become tensors, batch first.

    Objects that torch cannot stack (strings, data elements) stay a list.

    Args:
        data_batch: Samples of one structure, whose tensors have one shape for each field.
    """
    return _collate(data_batch, _stack)


def _as_it_is(values: Sequence[Any]) -> Any:
    return values


def _stack(values: Sequence[Any]) -> Any:
    # A structured annotation (MMEngine's BaseDataElement and its kin) has fields of its own and is never stacked.
    return values if hasattr(values[0], "metainfo_keys") else torch_default_collate(list(values))


def sooner(collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What gives the same as a collate function in less time; the function itself, if it is not torch's default.

    Args:
        collate: The `collate_fn` of a loader.
    """
    return _torch_default_collate if collate is torch_default_collate else collate


def _torch_default_collate(batch: Any) -> Any:
    """Torch's default, without what it asks of each sample and each field (10 us a batch)."""
    # In a worker torch stacks into memory that processes share.
    if type(batch[0]) is not tuple or default_collate_fn_map != _TORCHS or get_worker_info() is not None:
        return torch_default_collate(batch)
    try:
        fields: list[Any] = list(zip(*batch, strict=True))
    except (TypeError, ValueError):  # samples that differ, of which torch says more
        return torch_default_collate(batch)
    return [
        torch.stack(values)
        if type(values[0]) is torch.Tensor and values[0].layout is torch.strided and not values[0].is_nested
        else torch_default_collate(values)
        for values in fields
    ]


def _collate(batch: Sequence[Any], leaf: Callable[[Sequence[Any]], Any]) -> Any:
    item = batch[0]
    kind = type(item)
    if isinstance(item, (str, bytes)):
        return batch
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return kind(*(_collate(values, leaf) for values in zip(*batch, strict=True)))
    if isinstance(item, Sequence):
        return _collate_sequences(batch, leaf)
    if isinstance(item, Mapping):
        collated = {name: _collate([sample[name] for sample in batch], leaf) for name in item}
        return collated if kind is dict else kind(collated)
    return leaf(batch)


def _collate_sequences(batch: Sequence[Sequence[Any]], leaf: Callable[[Sequence[Any]], Any]) -> Any:
    size = len(batch[0])
    for number, sample in enumerate(batch):
        if len(sample) != size:
            raise RuntimeError(
                f"sample {number} of the batch has {len(sample)} fields where the first has {size}; "
                "each sample of a batch must have the same fields"
            )
    columns = [_collate(values, leaf) for values in zip(*batch, strict=True)]
    kind: Callable[[list[Any]], Any] = type(batch[0])
    if isinstance(batch[0], tuple):
        return columns
    try:
        return kind(columns)
    except TypeError:
        return columns  # some are not, as `range`
