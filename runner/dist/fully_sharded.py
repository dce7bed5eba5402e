"""FSDP2 (`torch.distributed.fsdp.fully_shard`) around a model, and MMEngine's name for it."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypedDict

import torch
from torch import nn

from runner import dist
from runner.errors import BuildError
from runner.kinds import Slot

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh

__all__ = [
    "MMFullyShardedDataParallel",
    "MixedPrecision",
    "Sharding",
    "data_mesh",
    "data_part",
    "named_units",
    "shard",
    "size_based_auto_wrap_policy",
    "spread_from_first",
    "units_of_policy",
]

DType = Literal["float32", "float16", "bfloat16", "float64"]
Policy = Callable[..., bool]
"""Called as `policy(module=…, recurse=…, nonwrapped_numel=…)`, as FSDP1's are."""

_DTYPES: Final = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


class MixedPrecision(TypedDict, total=False):
    """The types in which a sharded model computes; the optimizer's own parameters stay as they are.

    Attributes:
        param_dtype: Of parameters, and of what is computed with them. Default: as they are kept.
        reduce_dtype: In which gradients are averaged over ranks. Default: `param_dtype`.
        buffer_dtype: Of buffers of floating point. Default: as they are.
        output_dtype: Of what the model's forward returns. Default: as it comes.
        cast_forward_inputs: Whether what the model is called with is cast to `param_dtype`. Default: true.
    """

    param_dtype: DType | None
    reduce_dtype: DType | None
    buffer_dtype: DType | None
    output_dtype: DType | None
    cast_forward_inputs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """How a model is sharded.

    Attributes:
        mesh: One dimension: shares; two: replicas of shares.
        units: Modules whose parameters are brought together and let go as one; the model itself is always one.
        reshard_after_forward: Let parameters go after the forward, and bring them together again for the backward; a
            number leaves them in shares among as many ranks.
        mixed_precision: The types in which it computes.
        cpu_offload: Keep parameters, gradients and the optimizer's state on the CPU.
        ignored: Parameters that are left whole, and whose gradients ranks do not share.
    """

    mesh: DeviceMesh
    units: Sequence[nn.Module] = ()
    reshard_after_forward: bool | int | None = None
    mixed_precision: MixedPrecision = field(default_factory=MixedPrecision)
    cpu_offload: bool = False
    ignored: frozenset[nn.Parameter] = frozenset()


def data_mesh(device: torch.device, replicas: int = 1, tensor_parallel: int = 1) -> DeviceMesh:
    """The ranks as a mesh, with the dimensions `replicate`, `shard` and `tensor` that have more than one rank each.

    `shard` is always there. Ranks that are next to each other share a dimension further right, where the traffic is.

    Args:
        device: This rank's device.
        replicas: How often the whole model is kept.
        tensor_parallel: Ranks that compute each layer together.

    Raises:
        BuildError: The ranks can't be dealt out like that.
    """
    from torch.distributed.device_mesh import init_device_mesh

    world_size = dist.get_world_size()
    for name, number in (("replicas", replicas), ("tensor_parallel_size", tensor_parallel)):
        if number < 1 or world_size % number:
            raise BuildError(
                f"{name} is {number}, and {world_size} ranks can't be dealt out like that; it must divide them"
            )
    if world_size % (replicas * tensor_parallel):
        raise BuildError(
            f"{replicas} replicas of {tensor_parallel} ranks that compute together do not divide {world_size} ranks"
        )
    sizes = {"replicate": replicas, "shard": world_size // (replicas * tensor_parallel), "tensor": tensor_parallel}
    kept = {name: size for name, size in sizes.items() if size > 1 or name == "shard"}
    return init_device_mesh(device.type, tuple(kept.values()), mesh_dim_names=tuple(kept))


def data_part(mesh: DeviceMesh) -> DeviceMesh:
    """The dimensions of a mesh over which a model is dealt out or kept: all but `tensor`."""
    names = tuple(name for name in mesh.mesh_dim_names or () if name != "tensor")
    return mesh if names == mesh.mesh_dim_names else mesh[names if len(names) > 1 else names[0]]


def named_units(model: nn.Module, names: Iterable[str], field_name: str) -> list[nn.Module]:
    """Modules by their class's name or their dotted name, in which `*` stands for anything.

    Args:
        model: Where they are looked for.
        names: The names.
        field_name: Who asks, for the error.

    Raises:
        BuildError: A name fits no module.
    """
    modules = dict(model.named_modules())
    chosen: dict[int, nn.Module] = {}
    for wanted in names:
        found = [
            module
            for name, module in modules.items()
            if name and (type(module).__name__ == wanted or fnmatch.fnmatchcase(name, wanted))
        ]
        if not found:
            known = sorted({*modules, *(type(module).__name__ for module in modules.values())} - {""})
            near = difflib.get_close_matches(wanted, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known[:12])}"
            raise BuildError(f"{field_name}: '{wanted}' is neither the name nor the class of a module; {hint}")
        chosen |= {id(module): module for module in found}
    return list(chosen.values())


def units_of_policy(model: nn.Module, policy: Policy) -> list[nn.Module]:
    """The modules that a policy of FSDP1 chooses, children before their parents, without the model itself."""
    units: list[nn.Module] = []

    def visit(module: nn.Module) -> int:
        """Go through a module's children; how many numbers are in units by then."""
        numel = sum(parameter.numel() for parameter in module.parameters())
        if not policy(module=module, recurse=True, nonwrapped_numel=numel):
            return 0
        taken = sum(visit(child) for child in module.children())
        if module is not model and policy(module=module, recurse=False, nonwrapped_numel=numel - taken):
            units.append(module)
            return numel
        return taken

    visit(model)
    return units


def size_based_auto_wrap_policy(
    module: nn.Module,
    recurse: bool,
    nonwrapped_numel: int,
    min_num_params: int = 100_000_000,
) -> bool:
    """Make a unit of each module that has many parameters which are in no unit yet.

    Args:
        module: The module in question.
        recurse: Whether its children are asked about, or it itself.
        nonwrapped_numel: Its parameters that are in no unit yet.
        min_num_params: How many are enough.
    """
    if recurse:
        return nonwrapped_numel >= min_num_params
    return nonwrapped_numel >= min_num_params and not isinstance(module, (nn.ModuleList, nn.ModuleDict))


def spread_from_first(model: nn.Module) -> None:
    """Give all ranks the weights and buffers that rank 0 has."""
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.detach())


def shard(model: nn.Module, how: Sharding) -> nn.Module:
    """Shard a model in place; its class becomes one that is torch's `FSDPModule` too, with all that it had.

    Args:
        model: The model, whole and the same on all ranks, on any device.
        how: What is sharded, and how.

    Raises:
        BuildError: torch refuses it.
    """
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard

    options: dict[str, Any] = {"mesh": how.mesh, "mp_policy": _precision(model, how.mixed_precision)}
    if how.reshard_after_forward is not None:
        options["reshard_after_forward"] = how.reshard_after_forward
    if how.ignored:
        if "ignored_params" not in inspect.signature(fully_shard).parameters:
            raise BuildError(f"torch {torch.__version__} can't leave parameters out of FSDP; it takes 2.7")
        options["ignored_params"] = set(how.ignored)
    # On a CPU there is nowhere else to keep them.
    offloads = how.cpu_offload and how.mesh.device_type != "cpu"
    options["offload_policy"] = CPUOffloadPolicy() if offloads else OffloadPolicy()
    units = {id(unit) for unit in how.units}
    inside_out = [module for module in reversed(list(model.modules())) if id(module) in units and module is not model]
    for module in [*inside_out, model]:
        try:
            fully_shard(module, **options)
        except (ValueError, NotImplementedError, RuntimeError) as error:
            raise BuildError(f"{type(module).__name__} can't be sharded: {error}") from error
    return model


def _precision(model: nn.Module, given: MixedPrecision) -> Any:
    from torch.distributed.fsdp import MixedPrecisionPolicy

    of_buffers = _dtype(given.get("buffer_dtype"))
    if of_buffers is not None:
        for module in model.modules():
            kept = module.state_dict()
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.is_floating_point():
                    module.register_buffer(name, buffer.to(of_buffers), persistent=name in kept)
    options = {name: _dtype(given.get(name)) for name in ("param_dtype", "reduce_dtype", "output_dtype")}
    return MixedPrecisionPolicy(**options, cast_forward_inputs=given.get("cast_forward_inputs", True))


def _dtype(name: Any) -> torch.dtype | None:
    if name is None or isinstance(name, torch.dtype):
        return name
    if name not in _DTYPES:
        raise BuildError(f"mixed_precision: {name!r} is no type of floating point; there are {', '.join(_DTYPES)}")
    return _DTYPES[name]


_STRATEGIES: Final[dict[str | None, tuple[bool | None, str]]] = {
    None: (None, "shard"),
    "FULL_SHARD": (True, "shard"),
    "SHARD_GRAD_OP": (False, "shard"),
    "NO_SHARD": (False, "replicate"),
    "HYBRID_SHARD": (True, "nodes"),
    "_HYBRID_SHARD_ZERO2": (False, "nodes"),
}
"""FSDP1's names: whether parameters are let go after the forward, and among whom they are dealt out."""


def MMFullyShardedDataParallel(  # noqa: N802 - MMEngine's name, under which configs know it
    module: nn.Module,
    process_group: ProcessGroup | None = None,
    sharding_strategy: Literal["FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD", "HYBRID_SHARD", "_HYBRID_SHARD_ZERO2"]
    | None = None,
    cpu_offload: bool | None = None,
    auto_wrap_policy: Annotated[Policy | str | None, Slot("function")] = None,
    backward_prefetch: Literal["BACKWARD_PRE", "BACKWARD_POST"] | None = None,  # noqa: ARG001
    mixed_precision: MixedPrecision | None = None,
    param_init_fn: Annotated[Callable[[nn.Module], None] | str | None, Slot("function")] = None,
    use_orig_params: bool = True,  # noqa: ARG001
    ignored_modules: list[str] | None = None,
    ignored_parameters: list[str] | None = None,
) -> nn.Module:
    """Shard a model by FSDP2, under the name and with the arguments that MMEngine has for FSDP1.

    The model itself is returned: there is no wrapper around it, and names in its `state_dict` do not change.

    Args:
        module: The model.
        process_group: Ranks among whom it is dealt out; all of them by default.
        sharding_strategy: `FULL_SHARD` lets parameters go after the forward, `SHARD_GRAD_OP` keeps them until the
            backward is through, `NO_SHARD` keeps them whole; `HYBRID_SHARD` and `_HYBRID_SHARD_ZERO2` deal them out
            within each machine. By default, as torch does: the model itself keeps its own, the units let go.
        cpu_offload: Keep parameters, gradients and the optimizer's state on the CPU.
        auto_wrap_policy: A function `(module, recurse, nonwrapped_numel)` that tells which modules are units: their
            parameters are brought together as one. None makes one unit of the whole model.
        backward_prefetch: Without effect: FSDP2 brings the next unit's parameters together before they are needed.
        mixed_precision: The types in which the model computes.
        param_init_fn: Called with each module that has parameters on the device `meta`, after they were allocated.
        use_orig_params: Without effect: FSDP2 keeps the parameters that there are.
        ignored_modules: Dotted names of modules that are left whole.
        ignored_parameters: Dotted names of parameters that are left whole.
    """
    if not dist.is_distributed():
        return module
    reshard, among = _STRATEGIES[sharding_strategy]
    device = torch.device(dist.get_comm_device().type)
    units = units_of_policy(module, _policy(auto_wrap_policy)) if auto_wrap_policy is not None else []
    if param_init_fn is not None:
        _materialize(module, device, _policy(param_init_fn))
    return shard(
        module,
        Sharding(
            mesh=_mesh(device, process_group, among),
            units=units,
            reshard_after_forward=reshard,
            mixed_precision=mixed_precision or {},
            cpu_offload=bool(cpu_offload),
            ignored=_ignored(module, ignored_modules or (), ignored_parameters or ()),
        ),
    )


def _policy(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    from runner.registry import FUNCTIONS

    found = FUNCTIONS.get(given)
    if found is None:
        raise BuildError(f"there is no function '{given}'; `runner components function` lists what there is")
    return functools.partial(found)


def _mesh(device: torch.device, group: ProcessGroup | None, among: str) -> DeviceMesh:
    from torch.distributed.device_mesh import DeviceMesh

    if group is not None:
        return DeviceMesh.from_group(group, device.type)
    if among == "shard":
        return data_mesh(device)
    world_size = dist.get_world_size()
    return data_mesh(device, replicas=world_size if among == "replicate" else world_size // dist.get_local_size())


def _materialize(model: nn.Module, device: torch.device, fill: Callable[[nn.Module], None]) -> None:
    for module in model.modules():
        if any(parameter.is_meta for parameter in module.parameters(recurse=False)):
            module.to_empty(device=device, recurse=False)
            fill(module)


def _ignored(model: nn.Module, modules: Iterable[str], parameters: Iterable[str]) -> frozenset[nn.Parameter]:
    ignored = {each for unit in named_units(model, modules, "ignored_modules") for each in unit.parameters()}
    known = dict(model.named_parameters())
    for name in parameters:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BuildError(
                f"ignored_parameters: the model has no '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
            )
        ignored.add(known[name])
    return frozenset(ignored)
