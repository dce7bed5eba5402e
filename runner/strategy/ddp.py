"""A whole model on each device, with gradients averaged (DistributedDataParallel)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from runner import dist
from runner.dist.comm_hooks import CommHook, Compression, register_comm_hook
from runner.dist.ddp import is_model_wrapper, wrap_model
from runner.errors import BuildError
from runner.kinds import Interval, Slot
from runner.model import convert_sync_batchnorm
from runner.strategy.base import BaseStrategy, Surroundings

__all__ = ["DDPStrategy", "synchronized"]

_DEFAULT: Final = "MMDistributedDataParallel"


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
            low-rank approximation and adds what it left out to the next step's. A resumed run begins it anew, with
            whole gradients, and is not bit-equal: what it keeps lies as DDP's buckets do, which differ after a launch.
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
            register_comm_hook(wrapped, self.comm_hook)
        return wrapped

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
