"""Who this process is in its group. Everything here answers without a process group too."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import distributed as torch_dist
from torch.distributed import ProcessGroup

from runner.errors import BuildError, LaunchError

__all__ = [
    "barrier",
    "get_backend",
    "get_comm_device",
    "get_data_info",
    "get_data_rank",
    "get_data_world_size",
    "get_default_group",
    "get_dist_info",
    "get_local_group",
    "get_local_rank",
    "get_local_size",
    "get_rank",
    "get_tensor_parallel_size",
    "get_world_size",
    "init_local_group",
    "is_distributed",
    "is_main_process",
    "master_only",
    "set_tensor_parallel_size",
]

_T = TypeVar("_T")
_local_group: list[ProcessGroup] = []
"""The group of this machine's processes, once it is made."""
_tensor_parallel: list[int] = []
"""How many ranks next to each other compute each layer together, where that is more than one."""


def is_distributed() -> bool:
    """Whether a process group exists."""
    return torch_dist.is_available() and torch_dist.is_initialized()


def get_default_group() -> ProcessGroup | None:
    """The group of all processes, None where there is only one process."""
    return torch_dist.group.WORLD if is_distributed() else None


def get_backend(group: ProcessGroup | None = None) -> str | None:
    """The group's backend (`gloo`, `nccl`), None without a group."""
    return str(torch_dist.get_backend(group)) if is_distributed() else None


def get_world_size(group: ProcessGroup | None = None) -> int:
    """Number of processes in the group, 1 without one."""
    return torch_dist.get_world_size(group) if is_distributed() else 1


def get_rank(group: ProcessGroup | None = None) -> int:
    """This process's number in the group, 0 without one."""
    return torch_dist.get_rank(group) if is_distributed() else 0


def set_tensor_parallel_size(size: int) -> None:
    """Say how many ranks next to each other compute each layer together: they are given the same data.

    Args:
        size: A divisor of the number of processes; 1 where each computes by itself.

    Raises:
        BuildError: The processes can't be dealt out like that.
    """
    world_size = get_world_size()
    if size < 1 or world_size % size:
        raise BuildError(
            f"tensor_parallel_size is {size}, and {world_size} processes can't be dealt out like that; it must divide them",
            path=("strategy", "tensor_parallel_size"),
        )
    _tensor_parallel[:] = [size]


def get_tensor_parallel_size() -> int:
    """How many ranks compute each layer together, 1 where each computes by itself."""
    return _tensor_parallel[0] if _tensor_parallel and is_distributed() else 1


def get_data_world_size() -> int:
    """Number of shares that the data is dealt out in: ranks that compute layers together count as one."""
    return get_world_size() // get_tensor_parallel_size()


def get_data_rank() -> int:
    """Number of this process's share of the data."""
    return get_rank() // get_tensor_parallel_size()


def get_data_info() -> tuple[int, int]:
    """`(data rank, data world size)`, which is `get_dist_info()` without tensor parallelism."""
    return get_data_rank(), get_data_world_size()


def init_local_group(node_rank: int, num_gpus_per_node: int) -> None:
    """Make the group of this machine's processes; every process of the job calls it.

    Args:
        node_rank: The machine's number.
        num_gpus_per_node: How many processes each machine runs.

    Raises:
        LaunchError: It has been made already, or the numbers fit no group of this job.
    """
    if _local_group:
        raise LaunchError("init_local_group: this machine's group has been made already")
    rank, world_size = get_dist_info()
    machines = range(0, world_size, num_gpus_per_node)
    if world_size % num_gpus_per_node or not 0 <= node_rank < len(machines):
        raise LaunchError(
            f"init_local_group: machine {node_rank} with {num_gpus_per_node} processes is no part of {world_size} processes"
        )
    for first in machines:
        # A group is made by all processes of the job together, also by those that are not in it.
        group = torch_dist.new_group(list(range(first, first + num_gpus_per_node)))
        if first <= rank < first + num_gpus_per_node:
            _local_group.append(group)


def get_local_group() -> ProcessGroup | None:
    """The group of this machine's processes; None without a process group.

    Raises:
        LaunchError: It has not been made by `init_local_group`.
    """
    if not is_distributed():
        return None
    if not _local_group:
        raise LaunchError("get_local_group: call init_local_group(node_rank, num_gpus_per_node) first")
    return _local_group[0]


def forget_local_group() -> None:
    """Forget this machine's group, as it ends with the job's."""
    _local_group.clear()
    _tensor_parallel.clear()


def get_local_size() -> int:
    """Number of processes of the group on this machine, 1 without a group."""
    if not is_distributed():
        return 1
    return int(os.environ.get("LOCAL_WORLD_SIZE", get_world_size()))


def get_local_rank() -> int:
    """This process's number on its machine, 0 without a group.

    The launcher says it in `LOCAL_RANK`; without that, one machine is assumed.
    """
    if not is_distributed():
        return 0
    return int(os.environ.get("LOCAL_RANK", get_rank()))


def get_dist_info(group: ProcessGroup | None = None) -> tuple[int, int]:
    """`(rank, world_size)`, which is `(0, 1)` without a group."""
    return get_rank(group), get_world_size(group)


def is_main_process(group: ProcessGroup | None = None) -> bool:
    """Whether this is rank 0, the one that writes."""
    return get_rank(group) == 0


def master_only(func: Callable[..., _T]) -> Callable[..., _T | None]:
    """Make a function do nothing, and return None, on every rank but 0."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> _T | None:
        return func(*args, **kwargs) if is_main_process() else None

    return wrapper


def barrier(group: ProcessGroup | None = None) -> None:
    """Wait until every process of the group has come here."""
    if is_distributed():
        torch_dist.barrier(group)


def get_comm_device(group: ProcessGroup | None = None) -> torch.device:
    """Where the group's backend wants its tensors."""
    kind = _DEVICES.get(get_backend(group) or "")
    return torch.device(kind, torch.get_device_module(kind).current_device()) if kind else torch.device("cpu")


_DEVICES = {"nccl": "cuda", "smddp": "cuda", "xccl": "xpu", "hccl": "npu", "cncl": "mlu", "mccl": "musa"}
"""Backends that take tensors from their own kind of device only."""
