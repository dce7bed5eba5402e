"""Tensors of which each rank holds a share (`DTensor`), as they stand in checkpoints: whole, or a share a rank.

A DTensor knows its mesh and its placements, so nothing here asks which strategy made it.
"""

from __future__ import annotations

import copy
import functools
import itertools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "copy_model",
    "drop_unshared_gradients",
    "gather",
    "is_dtensor",
    "is_sharded",
    "like",
    "local",
    "map_dtensors",
    "reshard",
    "scatter",
    "scatter_optimizer_state",
    "scatter_weights",
    "with_share",
]


def is_dtensor(value: object) -> bool:
    """Whether a value is a tensor that is spread over ranks."""
    # Importing the module takes a second, and there is no DTensor before somebody has.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def is_sharded(model: nn.Module) -> bool:
    """Whether ranks hold shares of a model's parameters, so that they read them together only."""
    reshard(model)
    return any(is_dtensor(parameter) for parameter in model.parameters())


def reshard(model: nn.Module) -> None:
    """Let go what FSDP has brought together and may have left so, as it does after a forward without a backward."""
    for module in model.modules():
        if _is_fsdp(module):
            module.reshard()  # type: ignore[operator]  # FSDPModule's


def drop_unshared_gradients(model: nn.Module) -> None:
    """Forget the gradients that FSDP keeps whole, and away from the parameters, until ranks share them at a window's end."""
    for module in model.modules():
        if not _is_fsdp(module):
            continue
        state = vars(module._get_fsdp_state())  # type: ignore[operator]  # noqa: SLF001 - nothing public reaches them
        # torch 2.6 knows one group of parameters to a module.
        for group in state.get("_fsdp_param_groups") or [state.get("_fsdp_param_group")]:
            for parameter in group.fsdp_params if group is not None else ():
                parameter.unsharded_accumulated_grad = None
                if "_unsharded_param" in vars(parameter):
                    vars(parameter)["_unsharded_param"].grad = None


def local(tensor: Tensor) -> Tensor:
    """This rank's share of a tensor, over the same memory; the tensor itself where it is not spread."""
    whole: Any = tensor
    share: Tensor = whole.to_local() if is_dtensor(tensor) else tensor
    return share


def like(share: Tensor, model: Tensor) -> Tensor:
    """A tensor spread as another is, made of each rank's share.

    Args:
        share: What this rank holds, on the device of `model`.
        model: Tells the mesh, the placements and the whole's shape; one that is not spread gives `share` back.
    """
    if not is_dtensor(model):
        return share
    from torch.distributed.tensor import DTensor

    spread: Any = model
    made: Tensor = DTensor.from_local(
        share, spread.device_mesh, spread.placements, run_check=False, shape=spread.shape, stride=spread.stride()
    )
    return made


def with_share(share: Tensor, model: Tensor) -> Tensor:
    """A tensor spread as another is, with another share on this rank, which stays where it lies.

    Args:
        share: As large as that of `model`, on any device.
        model: Tells how it is spread.
    """
    from torch.distributed.tensor import DTensor

    make: Any = DTensor  # from_local would move the share to the mesh's devices
    spread: Any = model
    made: Tensor = make(share, spread._spec, requires_grad=False)  # noqa: SLF001 - nothing public has all of it
    return made


def scatter(whole: Tensor, model: Tensor) -> Tensor:
    """This rank's share of a tensor that every rank has, spread as another tensor is. Nothing is sent.

    Args:
        whole: The tensor; it is copied.
        model: Tells how; of the same shape.
    """
    if not is_dtensor(model) or is_dtensor(whole):
        return whole
    # Also knows the order of shares where two dimensions of a mesh split one of the tensor.
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    spread: Any = model
    shape, offset = compute_local_shape_and_global_offset(spread.shape, spread.device_mesh, spread.placements)
    place = tuple(slice(first, first + length) for first, length in zip(offset, shape, strict=True))
    share = whole[place].detach().clone(memory_format=torch.contiguous_format)
    return like(share.to(local(model).device), model)


def scatter_weights(weights: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Spread, in place, the weights whose namesakes in a model are spread. Those of another shape are left.

    Args:
        weights: Whole tensors by name, a mutable mapping.
        ours: The model's own `state_dict`.
    """
    for name, tensor in ours.items():
        found = weights.get(name)
        if is_dtensor(tensor) and isinstance(found, Tensor) and found.shape == tensor.shape:
            weights[name] = scatter(found, tensor)  # type: ignore[index]  # OrderedDict, as callers have it


def scatter_optimizer_state(optimizer: torch.optim.Optimizer, state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state with what belongs to spread parameters spread as they are.

    Args:
        optimizer: Whose parameters tell how.
        state_dict: With whole tensors.
    """
    given = dict(state_dict)
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    if "state" not in given or not any(is_dtensor(each) for each in parameters):
        return given
    numbers = [each for group in given["param_groups"] for each in group["params"]]
    owners = dict(zip(numbers, parameters, strict=False))
    given["state"] = {
        number: {key: _as_owner(value, owners.get(number)) for key, value in of_one.items()}
        for number, of_one in given["state"].items()
    }
    return given


def _as_owner(value: Any, owner: Tensor | None) -> Any:
    if owner is not None and isinstance(value, Tensor) and value.shape == owner.shape:
        return scatter(value, owner)
    return value


def map_dtensors(value: Any, change: Callable[[Tensor, tuple[Any, ...]], Any], where: tuple[Any, ...] = ()) -> Any:
    """A copy of plain data with each spread tensor changed, in the order in which they stand.

    Args:
        value: Mappings, lists and tuples, with tensors among what they hold.
        change: Is given a spread tensor and the keys that lead to it.
        where: The keys that lead to `value`.
    """
    if is_dtensor(value):
        return change(value, where)
    if isinstance(value, dict):
        changed = type(value)()
        for key, each in value.items():
            changed[key] = map_dtensors(each, change, (*where, key))
        if vars_of := getattr(value, "__dict__", None):
            vars(changed).update(vars_of)  # a state_dict's `_metadata`
        return changed
    if type(value) in {list, tuple}:
        return type(value)(map_dtensors(each, change, (*where, number)) for number, each in enumerate(value))
    return value


def gather(value: Any, *, keep: bool) -> Any:
    """Plain data with its spread tensors put together, on the CPU. Every rank calls this, with the same data.

    Args:
        value: Mappings, lists and tuples.
        keep: Whether this rank keeps the result; None stands in place of each tensor otherwise.
    """
    done: dict[tuple[Any, ...], tuple[Tensor, Tensor | None]] = {}

    def whole(tensor: Tensor, _: tuple[Any, ...]) -> Tensor | None:
        spread: Any = tensor
        share = local(tensor)
        storage = share.untyped_storage()
        # Tied weights are put together once, and written once; what is kept here keeps its address.
        key = (storage._cdata, share.storage_offset(), tensor.shape)  # noqa: SLF001 - the identity of a storage
        if key not in done:
            # What the CPU keeps for a GPU's model goes through the GPU, where its group sends.
            together = spread.to(spread.device_mesh.device_type).full_tensor()
            done[key] = (tensor, together.cpu() if keep else None)
        return done[key][1]

    with torch.no_grad():
        return map_dtensors(value, whole)


# ---- copies ----------------------------------------------------------------------------------------------------------


def copy_model(model: nn.Module) -> nn.Module:
    """A deep copy of a model. Of one that FSDP has sharded, the copy has the same shares and no FSDP: it can't be run.

    Args:
        model: The model.
    """
    reshard(model)
    with_state = [each for each in model.modules() if _is_fsdp(each)]
    for module in with_state:
        # What deepcopy asks first; the class's own refuses.
        vars(module)["__deepcopy__"] = functools.partial(_copy_without_fsdp, module)
    try:
        return copy.deepcopy(model)
    finally:
        for module in with_state:
            del vars(module)["__deepcopy__"]


def _is_fsdp(module: nn.Module) -> bool:
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def _copy_without_fsdp(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    plain: type[nn.Module] = type(module).__bases__[-1]
    made = plain.__new__(plain)
    memo[id(module)] = made
    for name, value in vars(module).items():
        if name == "__deepcopy__" or name.startswith(("__composable_api", "_is_fsdp", "_fsdp")):
            continue
        if name.endswith("_hooks") and isinstance(value, dict):
            value = type(value)(itertools.filterfalse(_is_torchs, value.items()))
        object.__setattr__(made, name, copy.deepcopy(value, memo))  # past the module's own, which sorts by type
    return made


def _is_torchs(item: tuple[int, Any]) -> bool:
    """Whether a hook is FSDP's."""
    hook = getattr(item[1], "hook", item[1])
    owner = type(hook.__self__).__module__ if hasattr(hook, "__self__") else getattr(hook, "__module__", "")
    return str(owner).startswith("torch.distributed")
