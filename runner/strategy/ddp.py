"""A whole model on each device, with gradients averaged (DistributedDataParallel)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from runner import dist
from runner.dist.buckets import bucket_order, is_rebuilt, rebuild_buckets
from runner.dist.comm_hooks import CommHook, Compression, load_memory, memory_of, register_comm_hook
from runner.dist.ddp import is_model_wrapper, wrap_model
from runner.errors import BuildError
from runner.kinds import Interval, Slot
from runner.model import convert_sync_batchnorm
from runner.strategy.base import BaseStrategy, Surroundings

__all__ = ["DDPStrategy", "synchronized"]

_DEFAULT: Final = "MMDistributedDataParallel"
_ORDERLESS: Final = 2
"""Ranks up to which a sum is the same in whichever order it is made."""


class DDPStrategy(BaseStrategy):
    """Each rank has the whole model and a share of each batch; gradients are averaged in the backward pass.

    What is not given here is taken from the fields `model_wrapper_cfg`, `find_unused_parameters` and `sync_bn`. A run
    of one process without a launcher trains as `SingleDeviceStrategy` does.

    Args:
        model_wrapper: Another wrapper, or its arguments; the arguments below then go into it too.
        sync_bn: Whose batch norm, which shares its statistics among ranks, takes the place of others; GPUs only.
        find_unused_parameters: Look in each step for parameters that the loss does not depend on.
        static_graph: Every step uses the same parameters: activation checkpointing and unused ones then cost nothing.
        gradient_as_bucket_view: Let gradients share memory with the buckets that they are sent in.
        broadcast_buffers: Send rank 0's buffers to the others before each forward.
        bucket_cap_mb: Size of the buckets in MiB; torch's default when null.
        comm_hook: How gradients are compressed on their way: `fp16` and `bf16` halve them, `powerSGD` sends a
            low-rank approximation and adds what it left out to the next step's. What it keeps goes into checkpoints,
            as much as the gradients for each rank.
    """

    def __init__(
        self,
        *,
        model_wrapper: Annotated[
            dict[str, Any] | None, Slot("model_wrapper", default_type="MMDistributedDataParallel")
        ] = None,
        sync_bn: Literal["torch", "mmcv"] | None = None,
        find_unused_parameters: bool | None = None,
        static_graph: bool | None = None,
        gradient_as_bucket_view: bool | None = None,
        broadcast_buffers: bool | None = None,
        bucket_cap_mb: Annotated[int, Interval(ge=1)] | None = None,
        comm_hook: Compression | CommHook | None = None,
    ) -> None:
        self.model_wrapper = model_wrapper
        self.sync_bn = sync_bn
        self.comm_hook = comm_hook
        self._wrapped: DistributedDataParallel | None = None
        self._compression: Any = None
        self._order: list[list[str]] = []
        self._warn: Callable[[str], object] = str
        self.options = {
            name: value
            for name, value in (
                ("find_unused_parameters", find_unused_parameters),
                ("static_graph", static_graph),
                ("gradient_as_bucket_view", gradient_as_bucket_view),
                ("broadcast_buffers", broadcast_buffers),
                ("bucket_cap_mb", bucket_cap_mb),
            )
            if value is not None
        }

    def prepare(self, model: nn.Module, around: Surroundings) -> nn.Module:
        """Wrap the model.

        Raises:
            BuildError: `sync_bn` is asked for where its implementation can't work, or `comm_hook` for a wrapper that
                takes none.
        """
        if not dist.is_distributed():
            return super().prepare(model, around)
        model = model.to(around.device)
        if is_model_wrapper(model):
            return model
        model = synchronized(model, self.sync_bn or around.fields.get("sync_bn"), around.device)
        wrapped = self._wrap(model, around)
        if self.comm_hook is not None:
            if type(wrapped).__name__ == "MMSeparateDistributedDataParallel" or not isinstance(
                wrapped, DistributedDataParallel
            ):
                raise BuildError(
                    f"{type(wrapped).__name__} takes no comm_hook; remove it, or take MMDistributedDataParallel",
                    path=("strategy", "comm_hook"),
                )
            self._compression = register_comm_hook(wrapped, self.comm_hook)
        if isinstance(wrapped, DistributedDataParallel):
            self._wrapped, self._warn = wrapped, around.warn
        return wrapped

    def state_dict(self) -> dict[str, Any]:
        """In which order gradients are sent, where a sum depends on it, and what a compression keeps."""
        state: dict[str, Any] = {}
        if self._wrapped is None or (self._compression is None and dist.get_world_size() <= _ORDERLESS):
            return state
        if is_rebuilt(self._wrapped):
            self._order = self._order or bucket_order(self._wrapped)
            state["order"] = self._order
        if self._compression is not None:
            state["compression"] = memory_of(self._compression)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Send gradients in the order of the saved run, and go on compressing where it was."""
        order, memory = state_dict.get("order"), state_dict.get("compression")
        if self._wrapped is None or not state_dict:
            return
        if order is None:
            as_before = self._wrapped.find_unused_parameters and not self._wrapped.static_graph
        else:
            as_before = is_rebuilt(self._wrapped) and (not order or rebuild_buckets(self._wrapped, order))
        if not as_before:
            anew = ", and what PowerSGD kept is not used" if memory else ""
            self._warn(f"gradients are packed otherwise than in the saved run: the numbers will not be bit-equal{anew}")
            return
        self._order = order or []
        if memory is not None and self._compression is not None:
            load_memory(self._compression, memory, next(self._wrapped.parameters()).device)

    def _wrap(self, model: nn.Module, around: Surroundings) -> nn.Module:
        cfg = self.model_wrapper if self.model_wrapper is not None else around.fields.get("model_wrapper_cfg") or {}
        find_unused = self.options.get("find_unused_parameters", around.fields.get("find_unused_parameters") or False)
        # As MMEngine has it: a wrapper that is named goes by its own default.
        defaults = {} if "type" in cfg else {"type": _DEFAULT, "broadcast_buffers": False}
        return wrap_model(
            model,
            around.device,
            builder=around.builder,
            model_wrapper_cfg={**defaults, **cfg, **self.options},
            find_unused_parameters=bool(find_unused),
        )


def synchronized(model: nn.Module, implementation: Literal["torch", "mmcv"] | None, device: torch.device) -> nn.Module:
    """Let batch norm share its statistics among ranks, where that is asked for.

    Args:
        model: The model.
        implementation: Whose; None leaves it as it is.
        device: This rank's.

    Raises:
        BuildError: There is no such implementation here.
    """
    if implementation is None:
        return model
    if device.type == "cpu":
        raise BuildError(
            "batch norm shares its statistics on GPUs only, and this run is on a CPU; remove sync_bn, or train on GPUs",
            path=("sync_bn",),
        )
    try:
        return convert_sync_batchnorm(model, implementation).to(device)
    except BuildError as error:
        raise BuildError(str(error), path=("sync_bn",)) from error
