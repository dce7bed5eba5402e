"""Parts of a batch or of a module's output, chosen by position or key as a config says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

__all__ = ["NotThere", "chosen", "rows", "select", "size_of"]


class NotThere(ValueError):  # noqa: N818 - a state of a batch before it is an error
    """There is no such part."""


def select(source: Any, selector: Any, what: str, option: str) -> Any:
    """The part or parts that a selector names.

    Args:
        source: A sequence, a mapping, or these within each other.
        selector: A position, a key or a dotted path; a list or a mapping of these gives a list or a mapping.
        what: What `source` is, for the message.
        option: The option that the selector stands in, for the message.

    Raises:
        NotThere: There is no such part; its message says what there is.
    """
    if isinstance(selector, Mapping):
        return {name: _one(source, each, what, option) for name, each in selector.items()}
    if isinstance(selector, list | tuple):
        return [_one(source, each, what, option) for each in selector]
    return _one(source, selector, what, option)


def chosen(source: Any, selector: Any, what: str, option: str) -> tuple[Sequence[Any], dict[str, Any]]:
    """Positional and keyword arguments for a call; without a selector, the source itself is the only argument.

    Args:
        source: As for `select`.
        selector: As for `select`, or None.
        what: As for `select`.
        option: As for `select`.

    Raises:
        NotThere: There is no such part.
    """
    if selector is None:
        return (source,), {}
    found = select(source, selector, what, option)
    if isinstance(selector, Mapping):
        return (), found
    return found if isinstance(selector, list | tuple) else (found,), {}


def _one(source: Any, selector: int | str, what: str, option: str) -> Any:
    if isinstance(selector, str) and isinstance(source, Mapping) and selector in source:
        return source[selector]
    found = source
    for part in [selector] if isinstance(selector, int) else selector.split("."):
        position = int(part) if isinstance(part, int) or part.isdigit() else None
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif position is not None and isinstance(found, list | tuple) and -len(found) <= position < len(found):
            found = found[position]
        else:
            raise NotThere(f"{option}: {selector!r} is not in {what}, which is {_described(source)}")
    return found


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(repr, value)) or 'nothing'}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(type(each).__name__ for each in value)}"
    return f"a {type(value).__name__}"


def size_of(value: Any) -> int:
    """How many samples the first tensor or list in a value holds."""
    if isinstance(value, Mapping):
        value = list(value.values())
        return size_of(value[0]) if value else 0
    if isinstance(value, torch.Tensor):
        return len(value) if value.dim() else 1
    if isinstance(value, list | tuple) and value and isinstance(value[0], torch.Tensor | Mapping):
        return size_of(value[0])
    return len(value) if isinstance(value, list | tuple) else 1


def rows(value: Any, count: int) -> list[Any]:
    """A batch taken apart into its samples.

    Args:
        value: A tensor (N, ...), a list of N, or these within mappings and lists.
        count: N.
    """
    if isinstance(value, torch.Tensor):
        return list(value) if value.dim() and len(value) == count else [value] * count
    if isinstance(value, Mapping):
        columns = {name: rows(each, count) for name, each in value.items()}
        return [{name: column[number] for name, column in columns.items()} for number in range(count)]
    if isinstance(value, list | tuple):
        if len(value) == count and not all(isinstance(each, torch.Tensor) and each.dim() for each in value):
            return list(value)
        return [list(each) for each in zip(*(rows(each, count) for each in value), strict=True)]
    return [value] * count
