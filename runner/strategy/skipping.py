"""Building a model without drawing its weights."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["WithoutInit"]

_DRAWS: Final = frozenset({"uniform_", "normal_", "exponential_", "cauchy_", "log_normal_", "geometric_", "random_"})


class WithoutInit(TorchFunctionMode):
    """Leaves tensors as they are allocated where a constructor would fill them with random numbers.

    Memory that nobody writes to is not taken, so a model of any size is there at once, until its weights are loaded.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass everything on but what fills a tensor with random numbers."""
        kwargs = kwargs or {}
        draws = getattr(func, "__name__", "") in _DRAWS or getattr(func, "__module__", None) == "torch.nn.init"
        tensor = args[0] if args else kwargs.get("tensor")
        if draws and isinstance(tensor, torch.Tensor):
            return tensor
        return func(*args, **kwargs)
