"""Layers that several ranks compute together (tensor parallelism)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch

from runner import dist
from runner.dist.fully_sharded import MixedPrecision, data_mesh
from runner.dist.tensor_parallel import LayerStyle, Style
from runner.errors import BuildError
from runner.kinds import Interval
from runner.strategy.fsdp import ActivationCheckpointing, FSDPStrategy, StateDictCfg

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["TensorParallelStrategy"]


class TensorParallelStrategy(FSDPStrategy):
    """Ranks next to each other compute layers together, and are given the same batches; gradients of groups are averaged.

    Layers of the plan lie in shares on the ranks of a group (`torch.distributed.tensor.parallel`), all else is whole on
    each. To deal out among the groups too, take `FSDPStrategy` with a `tensor_parallel_plan`. Weights are drawn while
    they are whole, so they are those of a run on one device. A run of one process trains the whole model.

    Args:
        plan: A style for each layer, by the layer's dotted name or its class's, in which `*` stands for anything.
        tensor_parallel_size: How many ranks compute each layer together; all of them when null.
        skip_init_weights: Draw no weights, neither as the model is built nor after: a checkpoint has to be loaded.
        state_dict_cfg: `full`: a checkpoint is one file that rank 0 writes, as without sharding; `local` or `sharded`: it
            is a folder into which each rank writes its shares. Both load at any number of ranks and in any strategy.
        activation_checkpointing: Modules whose activations are computed again in the backward pass.
        mixed_precision: The types in which the model computes.
        sync_every_step: Average gradients after each backward of an accumulation window; false does it at its end.
    """

    _plan_name = "plan"

    def __init__(
        self,
        plan: dict[str, Style | LayerStyle],
        *,
        tensor_parallel_size: Annotated[int, Interval(ge=1)] | None = None,
        skip_init_weights: bool = False,
        state_dict_cfg: Literal["local", "sharded", "full"] | StateDictCfg = "full",
        activation_checkpointing: ActivationCheckpointing | None = None,
        mixed_precision: MixedPrecision | None = None,
        sync_every_step: bool = True,
    ) -> None:
        if not plan:
            raise BuildError("TensorParallelStrategy: the plan is empty; name the layers that ranks compute together")
        super().__init__(
            skip_init_weights=skip_init_weights,
            state_dict_cfg=state_dict_cfg,
            activation_checkpointing=activation_checkpointing,
            mixed_precision=mixed_precision,
            reshard_after_forward=False,
            sync_every_step=sync_every_step,
        )
        self.tensor_parallel_plan = plan
        self.tensor_parallel_size = (tensor_parallel_size or dist.get_world_size()) if dist.is_distributed() else 1

    def _mesh(self, device: torch.device) -> DeviceMesh:
        size = self.tensor_parallel_size
        return data_mesh(device, dist.get_world_size() // size, size)
