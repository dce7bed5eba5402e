"""How DDP compresses gradients on their way to other ranks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from torch import Tensor
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from runner import dist
from runner.errors import BuildError
from runner.kinds import Interval

__all__ = ["CommHook", "Compression", "load_memory", "memory_of", "register_comm_hook"]

Compression = Literal["fp16", "bf16", "powerSGD", "fp16_powerSGD", "bf16_powerSGD"]


class CommHook(TypedDict, total=False):
    """A compression with its options, which are PowerSGD's (https://arxiv.org/abs/1905.13727).

    Attributes:
        type: Which one; the last two send PowerSGD's factors in half precision. Required.
        matrix_approximation_rank: The rank of what is sent. Default: 1.
        start_powerSGD_iter: Iterations in which whole gradients are sent, from 2. Default: 1000.
        min_compression_rate: What is compressed by less is sent whole. Default: 2.
        use_error_feedback: Add what was left out to the next step's gradients. Default: true.
        warm_start: Begin with the last step's factors. Default: true.
        orthogonalization_epsilon: Added before factors are divided by their norm. Default: 0.
        random_seed: Of the first factors. Default: 0.
    """

    type: Compression
    matrix_approximation_rank: Annotated[int, Interval(ge=1)]
    start_powerSGD_iter: Annotated[int, Interval(ge=2)]
    min_compression_rate: Annotated[float, Interval(gt=0)]
    use_error_feedback: bool
    warm_start: bool
    orthogonalization_epsilon: Annotated[float, Interval(ge=0)]
    random_seed: int


def register_comm_hook(model: DistributedDataParallel, hook: Compression | CommHook) -> Any:
    """Compress a model's gradients on their way.

    Args:
        model: The wrapper.
        hook: The compression, by its name or with options.

    Returns:
        What PowerSGD keeps from step to step; None for the others.

    Raises:
        BuildError: There is no such compression, or it takes no options.
    """
    from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

    options: dict[str, Any] = dict(hook) if isinstance(hook, dict) else {"type": hook}
    name = options.pop("type", None)
    plain = {"fp16": default_hooks.fp16_compress_hook, "bf16": default_hooks.bf16_compress_hook}
    if name in plain:
        if options:
            raise BuildError(f"comm_hook: {name} has no options; remove {', '.join(options)}")
        model.register_comm_hook(None, plain[name])
        return None
    wrappers: dict[Any, Any] = {
        "powerSGD": lambda inner: inner,
        "fp16_powerSGD": default_hooks.fp16_compress_wrapper,
        "bf16_powerSGD": default_hooks.bf16_compress_wrapper,
    }
    if name not in wrappers:
        raise BuildError(f"comm_hook: {name!r} is none; there are {', '.join([*plain, *wrappers])}")
    state = powerSGD_hook.PowerSGDState(process_group=None, **options)
    compress = wrappers[name](powerSGD_hook.powerSGD_hook)
    if dist.get_backend() == "nccl":
        model.register_comm_hook(state, compress)
    else:
        # Its second and third messages are sent when the one before has come, from threads of gloo's, where nothing puts
        # those of two buckets in the same order on all ranks.
        model.register_comm_hook(state, lambda state, bucket: _waited(compress(state, bucket)))
    return state


def _waited(future: Future[Tensor]) -> Future[Tensor]:
    future.wait()
    return future


def memory_of(state: Any) -> dict[str, Any]:
    """What PowerSGD keeps on this rank, as plain data: by bucket what it left out and the last factors; its generator.

    Args:
        state: As `register_comm_hook` returned it.
    """
    memory: dict[str, Any] = {
        "iter": state.iter,
        "total_numel_before_compression": state.total_numel_before_compression,
        "total_numel_after_compression": state.total_numel_after_compression,
        "next_stats_report": state.next_stats_report,
    }
    for name, kept in (
        ("error", state.error_dict),
        ("p_memory", state.p_memory_dict),
        ("q_memory", state.q_memory_dict),
    ):
        memory[name] = {bucket: tensor.detach().cpu() for bucket, tensor in kept.items()}
    kind, keys, *rest = state.rng.get_state(legacy=True)
    return {**memory, "generator": [kind, keys.tolist(), *rest]}


def load_memory(state: Any, memory: dict[str, Any], device: Any) -> None:
    """Take back what `memory_of` returned on this rank.

    Args:
        state: As `register_comm_hook` returned it.
        memory: What was kept.
        device: Where the gradients lie.
    """
    state.iter = memory["iter"]
    state.total_numel_before_compression = memory["total_numel_before_compression"]
    state.total_numel_after_compression = memory["total_numel_after_compression"]
    state.next_stats_report = memory["next_stats_report"]
    state.error_dict, state.p_memory_dict, state.q_memory_dict = (
        {bucket: tensor.to(device, copy=True) for bucket, tensor in memory[name].items()}
        for name in ("error", "p_memory", "q_memory")
    )
    kind, keys, *rest = memory["generator"]
    state.rng.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
