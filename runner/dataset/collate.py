"""Samples into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils.data import default_collate as torch_default_collate

__all__ = ["default_collate", "pseudo_collate"]


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
