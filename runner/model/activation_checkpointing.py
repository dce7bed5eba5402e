"""Modules whose activations are computed again in the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from torch import nn
from torch.utils.checkpoint import checkpoint

from runner.model.by_name import each_named

__all__ = ["turn_on_activation_checkpointing"]


def turn_on_activation_checkpointing(model: nn.Module, modules: str | Sequence[str]) -> None:
    """Let modules compute their activations again in the backward pass: less memory, more time, the same numbers.

    Args:
        model: The model.
        modules: Dotted names of modules in it.

    Raises:
        BuildError: The model has no such module.
    """
    for _, module, _ in list(each_named(model, modules, "activation_checkpointing")):
        module.forward = functools.partial(checkpoint, module.forward, use_reentrant=False)
