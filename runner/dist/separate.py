"""Each part of a model in a wrapper of its own, for models whose parts are trained in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from runner.device import resolve_device
from runner.dist.ddp import MMDistributedDataParallel

if TYPE_CHECKING:
    from runner.optim import OptimWrapper

__all__ = ["MMSeparateDistributedDataParallel"]


class _Part(MMDistributedDataParallel):
    """A wrapped part, whose weights are saved under the names that they have without the wrapper."""

    def __init__(self, module: nn.Module, **kwargs: Any) -> None:
        super().__init__(module, **kwargs)
        hooked: Any = self  # torch leaves these without annotations
        hooked.register_state_dict_post_hook(_without_wrapper)
        hooked.register_load_state_dict_pre_hook(_with_wrapper)


def _without_wrapper(module: nn.Module, state_dict: Any, prefix: str, local_metadata: Any) -> None:
    del module, local_metadata
    wrapped = f"{prefix}module."
    for name in [name for name in state_dict if name.startswith(wrapped)]:
        state_dict[prefix + name.removeprefix(wrapped)] = state_dict.pop(name)


def _with_wrapper(
    module: nn.Module,
    state_dict: Any,
    prefix: str,
    local_metadata: Any,
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    del module, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    for name in [name for name in state_dict if name.startswith(prefix)]:
        rest = name.removeprefix(prefix)
        if not rest.startswith("module."):
            state_dict[f"{prefix}module.{rest}"] = state_dict.pop(name)


class MMSeparateDistributedDataParallel(DistributedDataParallel):
    """Wraps each child of a model by itself, for models whose parts are updated in turn, as a GAN's are.

    One wrapper around all of them would wait for the gradients of parts that a step does not train.

    Args:
        module: The model, with a `train_step` of its own that calls its children.
        broadcast_buffers: Send rank 0's buffers to the others before each forward of a part.
        find_unused_parameters: Look for parameters that a loss does not depend on, and synchronize without them.
        device: Where the children go; by default to the first accelerator, else the CPU.
        **kwargs: Arguments of `MMDistributedDataParallel`.
    """

    module: nn.Module

    def __init__(
        self,
        module: nn.Module,
        broadcast_buffers: bool = False,
        find_unused_parameters: bool = False,
        device: str = "auto",
        **kwargs: Any,
    ) -> None:
        super(DistributedDataParallel, self).__init__()
        self.module = module
        place = resolve_device(device)
        kwargs.setdefault("device_ids", None if place.type == "cpu" else [torch.device(place).index or 0])
        for name, child in list(module.named_children()):
            child.to(place)
            if any(parameter.requires_grad for parameter in child.parameters()):
                part = _Part(
                    child,
                    broadcast_buffers=broadcast_buffers,
                    find_unused_parameters=find_unused_parameters,
                    **kwargs,
                )
                module.add_module(name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's forward."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """The model's own step.

        Args:
            data: A batch.
            optim_wrapper: Updates the parameters, by the parts' names.
        """
        return self.module.train_step(data, optim_wrapper)  # type: ignore[no-any-return, operator] # the model's own

    def val_step(self, data: Any) -> Any:
        """The model's predictions for a batch of validation."""
        return self.module.val_step(data)  # type: ignore[operator] # the model's, not a submodule

    def test_step(self, data: Any) -> Any:
        """The model's predictions for a batch of a test."""
        return self.module.test_step(data)  # type: ignore[operator] # the model's, not a submodule

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Let all parts keep their gradients to themselves."""
        with contextlib.ExitStack() as stack:
            for part in self.module.children():
                if isinstance(part, DistributedDataParallel):
                    stack.enter_context(part.no_sync())
            yield

    def train(self, mode: bool = True) -> MMSeparateDistributedDataParallel:
        """Switch the model to training, or to evaluation."""
        nn.Module.train(self, mode)
        return self
