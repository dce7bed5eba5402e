"""The model wrapped for data-parallel training."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from runner.plugin import PROCESS_ENTRIES, default_plugins

if TYPE_CHECKING:
    from runner.build import Builder
    from runner.optim import OptimWrapper

__all__ = ["MMDistributedDataParallel", "detect_anomalous_params", "is_model_wrapper", "wrap_model"]

_RENAMED = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters


class MMDistributedDataParallel(DistributedDataParallel):
    """torch's DistributedDataParallel with the steps that loops call.

    Args:
        module: The model: a `BaseModel`, or a module with `data_preprocessor` and `parse_losses`.
        detect_anomalous_params: Warn, at each step, of parameters that the loss does not depend on; slow.
        broadcast_buffers: Send rank 0's buffers to the others before each forward.
        find_unused_parameters: Look for parameters that the loss does not depend on, and synchronize without them.
        device_ids: The GPU of this rank's model, as a list of one; None for a model on the CPU.
        bucket_cap_mb: Size of the buckets that gradients are sent in, in MiB; torch's default when None.
        gradient_as_bucket_view: Let gradients share memory with the buckets.
        static_graph: Every step uses the same parameters.
        **kwargs: torch's other arguments.
    """

    module: nn.Module

    def __init__(
        self,
        module: nn.Module,
        detect_anomalous_params: bool = False,
        broadcast_buffers: bool = True,
        find_unused_parameters: bool = False,
        device_ids: list[int] | None = None,
        bucket_cap_mb: int | None = None,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        **kwargs: Any,
    ) -> None:
        # torch 2.13 has another name for it.
        kwargs["forward_sync_buffers" if _RENAMED else "broadcast_buffers"] = broadcast_buffers
        super().__init__(
            module,
            find_unused_parameters=find_unused_parameters,
            device_ids=device_ids,
            bucket_cap_mb=bucket_cap_mb,
            gradient_as_bucket_view=gradient_as_bucket_view,
            static_graph=static_graph,
            **kwargs,
        )
        self.detect_anomalous_params = detect_anomalous_params

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step: the forward through DDP, so that the backward synchronizes gradients, and the update.

        Args:
            data: A batch.
            optim_wrapper: Updates the parameters.

        Returns:
            The losses, for the log.
        """
        module: Any = self.module
        with optim_wrapper.optim_context(self):
            data = module.data_preprocessor(data, training=True)
            losses = self._run_forward(data, mode="loss")
        parsed_loss, log_vars = module.parse_losses(losses)
        if self.detect_anomalous_params:
            detect_anomalous_params(parsed_loss, self)
        optim_wrapper.update_params(parsed_loss)
        return log_vars  # type: ignore[no-any-return] # the module's own

    def val_step(self, data: Any) -> Any:
        """The model's predictions for a batch of validation."""
        return self.module.val_step(data)  # type: ignore[operator] # the model's, not a submodule

    def test_step(self, data: Any) -> Any:
        """The model's predictions for a batch of a test."""
        return self.module.test_step(data)  # type: ignore[operator] # the model's, not a submodule

    def _run_forward(self, data: Any, mode: str) -> Any:
        if isinstance(data, Mapping):
            return self(**data, mode=mode)
        if isinstance(data, (list, tuple)):
            return self(*data, mode=mode)
        return self(data, mode=mode)


def detect_anomalous_params(loss: Tensor, model: nn.Module) -> None:
    """Warn of trainable parameters that the loss does not depend on.

    Args:
        loss: What is minimized, before its backward pass.
        model: The model.
    """
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    used: set[int] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            used.add(id(node.variable))
        waiting.extend(following for following, _ in node.next_functions)
    unused = [name for name, each in model.named_parameters() if each.requires_grad and id(each) not in used]
    if unused:
        warnings.warn(f"the loss does not depend on {', '.join(unused)}", stacklevel=3)


def is_model_wrapper(model: nn.Module) -> bool:
    """Whether the model is wrapped for parallel training, so that the user's own is its `module`.

    So it is in torch's wrappers and in every component of kind `model_wrapper`.

    Args:
        model: The model.
    """
    cls: Any = type(model)
    return isinstance(model, (DistributedDataParallel, DataParallel)) or _is_on_offer(cls, len(PROCESS_ENTRIES))


@functools.lru_cache(maxsize=64)
def _is_on_offer(cls: type, registered: int) -> bool:
    """Whether a class is, or derives from, a wrapper on offer; asked anew when the process has registered more."""
    del registered
    lineage = {f"{each.__module__}:{each.__qualname__}" for each in cls.__mro__}
    return any(entry.kind == "model_wrapper" and entry.target in lineage for entry in default_plugins().catalog)


def wrap_model(
    model: nn.Module,
    device: torch.device,
    *,
    builder: Builder | None = None,
    model_wrapper_cfg: Mapping[str, Any] | None = None,
    find_unused_parameters: bool = False,
    broadcast_buffers: bool = False,
) -> nn.Module:
    """Wrap a model for data-parallel training.

    Args:
        model: On its device already.
        device: This rank's device.
        builder: Builds the wrapper that `model_wrapper_cfg` names.
        model_wrapper_cfg: Another wrapper, as a mapping with `type`; None takes `MMDistributedDataParallel`.
        find_unused_parameters: Synchronize without parameters that a step does not use.
        broadcast_buffers: Send rank 0's buffers to the others before each forward.
    """
    device_ids = None if device.type == "cpu" else [torch.device(device).index or 0]
    if model_wrapper_cfg is None or builder is None:
        return MMDistributedDataParallel(
            model,
            broadcast_buffers=broadcast_buffers,
            find_unused_parameters=find_unused_parameters,
            device_ids=device_ids,
        )
    target, _ = builder.resolve("model_wrapper", model_wrapper_cfg, ("model_wrapper_cfg",))
    cfg = dict(model_wrapper_cfg)
    if isinstance(target, type) and issubclass(target, DistributedDataParallel):
        cfg.setdefault("find_unused_parameters", find_unused_parameters)
        cfg.setdefault("device_ids", device_ids)
    wrapped: nn.Module = builder.build("model_wrapper", cfg, ("model_wrapper_cfg",), module=model)
    return wrapped
