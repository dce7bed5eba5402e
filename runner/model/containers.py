"""Containers of modules in a form that a config can give: with keyword arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

__all__ = ["sequential"]


def sequential(modules: Sequence[nn.Module] | Mapping[str, nn.Module]) -> nn.Sequential:
    """Modules that are called one after the other: torch's `nn.Sequential`.

    Args:
        modules: The modules, in order; by name where they are given as a mapping.
    """
    return nn.Sequential(OrderedDict(modules)) if isinstance(modules, Mapping) else nn.Sequential(*modules)
