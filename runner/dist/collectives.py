"""Moving tensors and objects between the processes of a group. With one process each is the identity."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch import distributed as torch_dist
from torch.distributed import ProcessGroup

from runner.dist.group import get_comm_device, get_rank, get_tensor_parallel_size, get_world_size

__all__ = [
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "all_reduce_dict",
    "all_reduce_params",
    "broadcast",
    "broadcast_object_list",
    "collect_results",
    "collect_results_cpu",
    "collect_results_gpu",
    "gather",
    "gather_object",
    "sync_random_seed",
]

_T = TypeVar("_T")
_OPS = {
    "sum": torch_dist.ReduceOp.SUM,
    "mean": torch_dist.ReduceOp.SUM,
    "product": torch_dist.ReduceOp.PRODUCT,
    "min": torch_dist.ReduceOp.MIN,
    "max": torch_dist.ReduceOp.MAX,
    "band": torch_dist.ReduceOp.BAND,
    "bor": torch_dist.ReduceOp.BOR,
    "bxor": torch_dist.ReduceOp.BXOR,
}
_PAD = object()


def all_reduce(data: Tensor, op: str = "sum", group: ProcessGroup | None = None) -> None:
    """Reduce a tensor over the group, in place; afterwards it is the same, bit for bit, in every process.

    Args:
        data: The tensor, of one shape and type in all processes, on any device.
        op: `sum`, `mean`, `product`, `min`, `max`, `band`, `bor` or `bxor`. The mean of integers is rounded towards
            zero, as the tensor keeps its type.
        group: The group; None for all processes.
    """
    name = op.lower()
    if name not in _OPS:
        raise ValueError(f"all_reduce: op is {op!r}; it must be one of {', '.join(_OPS)}")
    world_size = get_world_size(group)
    if world_size == 1:
        return
    sent = data.to(get_comm_device(group)).contiguous()
    torch_dist.all_reduce(sent, _OPS[name], group)
    if name == "mean":
        sent = torch.true_divide(sent, world_size)
    if sent is not data:
        data.copy_(sent)


def all_gather(data: Tensor, group: ProcessGroup | None = None) -> list[Tensor]:
    """The tensors of all processes, by rank; all of one shape and type."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    sent = data.to(get_comm_device(group)).contiguous()
    received = [torch.empty_like(sent) for _ in range(world_size)]
    torch_dist.all_gather(received, sent, group)
    return [tensor.to(data.device) for tensor in received]


def gather(data: Tensor, dst: int = 0, group: ProcessGroup | None = None) -> list[Tensor]:
    """The tensors of all processes, by rank, in process `dst`; an empty list in the others."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    sent = data.to(get_comm_device(group)).contiguous()
    received = [torch.empty_like(sent) for _ in range(world_size)] if get_rank(group) == dst else None
    torch_dist.gather(sent, received, dst, group)
    return [tensor.to(data.device) for tensor in received or ()]


def broadcast(data: Tensor, src: int = 0, group: ProcessGroup | None = None) -> None:
    """Fill the tensor, in place, with that of process `src`."""
    if get_world_size(group) == 1:
        return
    sent = data.to(get_comm_device(group)).contiguous()
    torch_dist.broadcast(sent, src, group)
    if sent is not data and get_rank(group) != src:
        data.copy_(sent)


def broadcast_object_list(data: list[Any], src: int = 0, group: ProcessGroup | None = None) -> None:
    """Replace the list's items, in place, by those of process `src`.

    Args:
        data: Picklable objects; a list of the same length in all processes.
        src: Who sends.
        group: The group; None for all processes.
    """
    if not isinstance(data, list):
        raise TypeError(f"broadcast_object_list: data is a {type(data).__name__}; it must be a list")
    if get_world_size(group) > 1:
        torch_dist.broadcast_object_list(data, src, group)


def all_gather_object(data: _T, group: ProcessGroup | None = None) -> list[_T]:
    """The picklable objects of all processes, by rank."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    received: list[Any] = [None] * world_size
    torch_dist.all_gather_object(received, data, group)
    return received


def gather_object(data: _T, dst: int = 0, group: ProcessGroup | None = None) -> list[_T] | None:
    """The picklable objects of all processes, by rank, in process `dst`; None in the others."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    received: list[Any] | None = [None] * world_size if get_rank(group) == dst else None
    torch_dist.gather_object(data, received, dst, group)
    return received


def all_reduce_dict(data: dict[str, Tensor], op: str = "sum", group: ProcessGroup | None = None) -> None:
    """Reduce every tensor of a mapping over the group, in place; all processes hold the same keys."""
    for key in sorted(data):
        all_reduce(data[key], op, group)


def all_reduce_params(
    params: Iterable[Tensor],
    coalesce: bool = True,
    bucket_size_mb: int = -1,
    op: str = "sum",
    group: ProcessGroup | None = None,
) -> None:
    """Reduce parameters or buffers over the group, in place.

    Args:
        params: The same, in the same order, in all processes.
        coalesce: Send those of one type and device together.
        bucket_size_mb: How many megabytes to send together at most; all of them if not positive.
        op: As for `all_reduce`.
        group: The group; None for all processes.
    """
    if get_world_size(group) == 1:
        return
    tensors = [param.data for param in params]
    if not coalesce:
        for tensor in tensors:
            all_reduce(tensor, op, group)
        return
    for bucket in _buckets(tensors, bucket_size_mb * 2**20):
        together = torch.cat([tensor.reshape(-1) for tensor in bucket])
        all_reduce(together, op, group)
        sizes = [each.numel() for each in bucket]
        for tensor, part in zip(bucket, torch.split(together, sizes), strict=True):
            tensor.copy_(part.view_as(tensor))


def _buckets(tensors: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    """Tensors of one type and device, in their order; no more bytes together than a size, where it is positive."""
    kinds: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for alike in kinds.values():
        bucket: list[Tensor] = []
        filled = 0
        for tensor in alike:
            if bucket and 0 < size < filled + tensor.nbytes:
                yield bucket
                bucket, filled = [], 0
            bucket.append(tensor)
            filled += tensor.nbytes
        yield bucket


def collect_results(
    results: list[_T],
    size: int,
    device: Literal["cpu", "gpu", "npu"] = "cpu",
    tmpdir: str | None = None,
) -> list[_T] | None:
    """Put the parts that the ranks have of a data set's results together again, in the data set's order.

    Rank r holds the results of samples r, r + world_size, … as the samplers deal them out; what they added so that
    every rank has as many is dropped.

    Args:
        results: This rank's picklable results, one a sample.
        size: Number of samples in the data set.
        device: Taken for MMEngine's sake; the backend decides what the results travel by.
        tmpdir: Taken for MMEngine's sake; nothing is written to disk.

    Returns:
        All results on rank 0, None on the others.
    """
    if device not in {"cpu", "gpu", "npu"}:
        raise ValueError(f"collect_results: device is {device!r}; it must be 'cpu', 'gpu' or 'npu'")
    del tmpdir
    parts = gather_object(results)
    if parts is None:
        return None
    parts = parts[:: get_tensor_parallel_size()]  # ranks that compute layers together have the same
    dealt: Iterable[Any] = itertools.chain.from_iterable(itertools.zip_longest(*parts, fillvalue=_PAD))
    return [result for result in dealt if result is not _PAD][:size]


def collect_results_cpu(result_part: list[_T], size: int, tmpdir: str | None = None) -> list[_T] | None:
    """As `collect_results` on the CPU; nothing is written to disk."""
    return collect_results(result_part, size, "cpu", tmpdir)


def collect_results_gpu(result_part: list[_T], size: int) -> list[_T] | None:
    """As `collect_results` on the device."""
    return collect_results(result_part, size, "gpu")


def sync_random_seed(group: ProcessGroup | None = None) -> int:
    """A seed below 2**31, drawn from NumPy's generator on rank 0 and the same in all processes."""
    seed = [int(np.random.randint(2**31))]  # noqa: NPY002 - the generator that set_random_seed seeds
    broadcast_object_list(seed, group=group)
    return seed[0]
