"""A share of the model on each device (FSDP2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypedDict

import torch
from torch import nn

from runner import dist
from runner.dist.fully_sharded import (
    MixedPrecision,
    Sharding,
    data_mesh,
    data_part,
    named_units,
    shard,
    spread_from_first,
)
from runner.dist.sharding import is_sharded
from runner.dist.tensor_parallel import LayerStyle, Style, layers_of_plan, parallelize
from runner.errors import BuildError
from runner.kinds import Interval, Slot
from runner.model import turn_on_activation_checkpointing
from runner.optim import OptimWrapper
from runner.strategy.base import BaseStrategy, Surroundings
from runner.strategy.skipping import WithoutInit

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["ActivationCheckpointing", "FSDPStrategy", "StateDictCfg"]


class ActivationCheckpointing(TypedDict, total=False):
    """Modules whose activations are computed again in the backward pass.

    Attributes:
        check_fn: A function that is given a module and returns whether it is one of them.
        modules: Their classes, or their dotted names, in which `*` stands for anything.
    """

    check_fn: Annotated[Callable[[nn.Module], bool] | str, Slot("function")]
    modules: list[str]


class StateDictCfg(TypedDict, total=False):
    """MMEngine's longer way of writing `full` or `local`.

    Attributes:
        state_dict_type: `FULL_STATE_DICT` is `full`, the others `local`. Required.
    """

    state_dict_type: Literal["FULL_STATE_DICT", "LOCAL_STATE_DICT", "SHARDED_STATE_DICT"]


class FSDPStrategy(BaseStrategy):
    """Each rank keeps a share of the parameters, gradients and optimizer's state; units are brought together in turn.

    By FSDP2. A unit is a module whose parameters are brought together before it is called and let go after it: choose
    the blocks that a model repeats. The model itself is always the outermost unit. The weights are drawn while they
    are whole, so they are those of a run on one device. A run of one process trains the whole model.

    Args:
        model_wrapper: `MMFullyShardedDataParallel`'s arguments, as MMEngine has them, or another wrapper; in place of
            `modules`, `mixed_precision`, `cpu_offload`, `reshard_after_forward` and `replicas`.
        skip_init_weights: Draw no weights, neither as the model is built nor after: a checkpoint has to be loaded.
        state_dict_cfg: `full`: a checkpoint is one file that rank 0 writes, as without FSDP; `local` or `sharded`: it
            is a folder into which each rank writes its shares. Both load at any number of ranks and in any strategy.
        activation_checkpointing: Modules whose activations are computed again in the backward pass.
        modules: The units: classes of modules, or dotted names, in which `*` stands for anything.
        mixed_precision: The types in which the model computes.
        cpu_offload: Keep parameters, gradients and the optimizer's state on the CPU; without effect on a CPU.
        reshard_after_forward: Let the units' parameters go after the forward, which saves memory, and bring them
            together again for the backward; false keeps them; a number leaves them dealt out among that many ranks.
        replicas: How often the whole model is kept, each time dealt out among `world size / replicas` ranks (HSDP).
        sync_every_step: Share gradients after each backward of an accumulation window, which keeps shares alone;
            false shares them at its end, which sends less and keeps whole gradients until then.
        tensor_parallel_size: How many ranks next to each other compute each layer of the plan together. They are given
            the same batches; the model is dealt out among the groups.
        tensor_parallel_plan: How they do that: a style for each layer, by the layer's dotted name or its class's, in
            which `*` stands for anything.
    """

    initializes = True
    _plan_name = "tensor_parallel_plan"

    def __init__(
        self,
        *,
        model_wrapper: Annotated[
            dict[str, Any] | None, Slot("model_wrapper", default_type="MMFullyShardedDataParallel")
        ] = None,
        skip_init_weights: bool = False,
        state_dict_cfg: Literal["local", "sharded", "full"] | StateDictCfg = "local",
        activation_checkpointing: ActivationCheckpointing | None = None,
        modules: list[str] | None = None,
        mixed_precision: MixedPrecision | None = None,
        cpu_offload: bool = False,
        reshard_after_forward: bool | Annotated[int, Interval(ge=2)] = True,
        replicas: Annotated[int, Interval(ge=1)] = 1,
        sync_every_step: bool = True,
        tensor_parallel_size: Annotated[int, Interval(ge=1)] = 1,
        tensor_parallel_plan: dict[str, Style | LayerStyle] | None = None,
    ) -> None:
        own = {
            "modules": modules,
            "mixed_precision": mixed_precision,
            "cpu_offload": cpu_offload or None,
            "reshard_after_forward": None if reshard_after_forward is True else reshard_after_forward,
            "replicas": None if replicas == 1 else replicas,
            "tensor_parallel_plan": tensor_parallel_plan,
        }
        both = [name for name, value in own.items() if value is not None]
        if model_wrapper is not None and both:
            raise BuildError(f"FSDPStrategy: model_wrapper and {', '.join(both)} say how to shard; keep one of the two")
        if (tensor_parallel_size > 1) != bool(tensor_parallel_plan):
            raise BuildError(
                "FSDPStrategy: tensor_parallel_size and tensor_parallel_plan go together; give both, or none"
            )
        self.tensor_parallel_plan = tensor_parallel_plan or {}
        if dist.is_distributed():
            self.tensor_parallel_size = tensor_parallel_size
        self.model_wrapper = model_wrapper
        self.skip_init_weights = skip_init_weights
        self.activation_checkpointing = activation_checkpointing
        self.modules = modules or []
        self.mixed_precision = mixed_precision or {}
        self.cpu_offload = cpu_offload
        self.reshard_after_forward = reshard_after_forward
        self.replicas = replicas
        self.sync_every_step = sync_every_step
        self.needs_checkpoint = skip_init_weights
        self._saves_shares = _is_local(state_dict_cfg)
        self._is_spread = False

    def building(self) -> AbstractContextManager[Any]:
        """Without what draws weights, where `skip_init_weights` says so."""
        return WithoutInit() if self.skip_init_weights else nullcontext()

    def prepare(self, model: nn.Module, around: Surroundings) -> nn.Module:
        """Draw the weights, choose the modules, and shard.

        Raises:
            BuildError: A name fits no module, or torch refuses to shard one.
        """
        if around.initialize is not None and not self.skip_init_weights:
            around.initialize(model)
        if not dist.is_distributed():
            around.say(
                "FSDPStrategy: there is one process, which trains the whole model; `--launcher pytorch` starts more"
            )
            layers_of_plan(model, self.tensor_parallel_plan, ("strategy", self._plan_name))
            self._checkpoint_activations(model, around)
            return super().prepare(model, around)
        if not self.skip_init_weights:
            spread_from_first(model)
        chosen = named_units(model, self.modules, "strategy.modules")
        self._checkpoint_activations(model, around)
        if self.model_wrapper is not None:
            cfg = dict(self.model_wrapper)
            cfg.setdefault("type", _DEFAULT)
            model = around.builder.build("model_wrapper", cfg, ("strategy", "model_wrapper"), module=model)
        else:
            mesh = self._mesh(around.device)
            if self.tensor_parallel_size > 1:
                path = ("strategy", self._plan_name)
                spread = not self.skip_init_weights
                parallelize(model, mesh["tensor"], self.tensor_parallel_plan, path, spread=spread)
            how = Sharding(
                mesh=data_part(mesh),
                units=chosen,
                reshard_after_forward=self.reshard_after_forward,
                mixed_precision=self.mixed_precision,
                cpu_offload=self.cpu_offload,
            )
            model = shard(model, how)
        self._is_spread = is_sharded(model)
        return model.to(around.device) if not self.cpu_offload else model

    def _mesh(self, device: torch.device) -> DeviceMesh:
        return data_mesh(device, self.replicas, self.tensor_parallel_size)

    def adapt(self, optim_wrapper: OptimWrapper) -> None:
        """Say when gradients are shared in an accumulation window."""
        optim_wrapper.syncs_every_step = self.sync_every_step

    @property
    def saves_shares(self) -> bool:
        """Whether each rank writes its own shares into a checkpoint's folder."""
        return self._saves_shares and self._is_spread

    def _checkpoint_activations(self, model: nn.Module, around: Surroundings) -> None:
        given = self.activation_checkpointing
        if not given:
            return
        chosen = named_units(model, given.get("modules", ()), "strategy.activation_checkpointing.modules")
        check = given.get("check_fn")
        if check is not None:
            function = around.builder.build("function", check, ("strategy", "activation_checkpointing", "check_fn"))
            chosen += [module for module in model.modules() if module is not model and function(module)]
        wanted = {id(module) for module in chosen}
        names = [name for name, module in model.named_modules() if id(module) in wanted]
        if not names:
            raise BuildError(
                "activation_checkpointing chooses no module of the model; see `modules`, or what `check_fn` returns",
                path=("strategy", "activation_checkpointing"),
            )
        turn_on_activation_checkpointing(model, names)


_DEFAULT: Final = "MMFullyShardedDataParallel"


def _is_local(given: str | StateDictCfg) -> bool:
    if isinstance(given, Mapping):
        return given.get("state_dict_type") != "FULL_STATE_DICT"
    if given not in {"local", "sharded", "full"}:
        raise BuildError(f"FSDPStrategy: state_dict_cfg is {given!r}; it can be 'local', 'sharded' or 'full'")
    return given != "full"
