"""torch's optimizers without what they do at each step for onlookers, where nobody looks on.

torch wraps every optimizer's `step`, and records each `zero_grad`, so that a profiler can show them by name and hooks
can be called. With neither, that changes nothing and takes longer than a small optimizer's own work (10 us and 7 us).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch.autograd import profiler
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

__all__ = ["clear_gradients", "step_of"]

_ZERO_GRAD: Final = Optimizer.zero_grad
_WRAPPER: Final = Optimizer.profile_hook_step(lambda: None).__code__
"""What the `step` of an optimizer's class is, unless somebody put something else in its place."""


def step_of(optimizer: Optimizer) -> Callable[..., Any]:
    """What to call for a step: the optimizer's own method, or, where somebody looks on, its wrapper.

    Args:
        optimizer: Any optimizer. Whatever is not exactly as torch made it is called as it is.
    """
    wrapper: Any = type(optimizer).step
    if (
        torch.compiler.is_compiling()
        or getattr(wrapper, "__code__", None) is not _WRAPPER
        or "step" in optimizer.__dict__
        or optimizer._optimizer_step_pre_hooks  # noqa: SLF001 - torch has no public question for it
        or optimizer._optimizer_step_post_hooks  # noqa: SLF001 - as above
        or _global_optimizer_pre_hooks
        or _global_optimizer_post_hooks
        or profiler._is_profiler_enabled  # noqa: SLF001 - as above
    ):
        return optimizer.step
    own: Callable[..., Any] = wrapper.__wrapped__.__get__(optimizer)
    return own


def clear_gradients(optimizer: Optimizer) -> None:
    """What `zero_grad()` does, without its record for a profiler.

    Args:
        optimizer: Any optimizer. One with a `zero_grad` of its own is asked.
    """
    if (
        type(optimizer).zero_grad is not _ZERO_GRAD
        or "zero_grad" in optimizer.__dict__
        or profiler._is_profiler_enabled  # noqa: SLF001 - as in step_of
    ):
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
