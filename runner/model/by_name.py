"""Modules of a model, by the dotted names that a config gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from torch import nn

from runner.errors import BuildError, Path

__all__ = ["each_named"]


def each_named(
    model: nn.Module, names: str | Sequence[str] | None, field: str
) -> Iterator[tuple[str, nn.Module, Path]]:
    """The modules that a field names, each with its name and its place in the field.

    Args:
        model: The model.
        names: One dotted name, several, or None.
        field: The field of the config.

    Raises:
        BuildError: The model has no such module.
    """
    for number, name in enumerate([names] if isinstance(names, str) else names or ()):
        path: Path = (field,) if isinstance(names, str) else (field, number)
        known = dict(model.named_modules())
        if not name or name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(each for each in known if each)}"
            raise BuildError(f"the model has no module '{name}'; {hint}", path=path)
        yield name, known[name], path
