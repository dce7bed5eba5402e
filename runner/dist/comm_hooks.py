"""How DDP compresses gradients on their way to other ranks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from torch.nn.parallel import DistributedDataParallel

from runner.errors import BuildError
from runner.kinds import Interval

__all__ = ["CommHook", "Compression", "register_comm_hook"]

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


def register_comm_hook(model: DistributedDataParallel, hook: Compression | CommHook) -> None:
    """Compress a model's gradients on their way.

    Args:
        model: The wrapper.
        hook: The compression, by its name or with options.

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
        return
    wrappers: dict[Any, Any] = {
        "powerSGD": lambda inner: inner,
        "fp16_powerSGD": default_hooks.fp16_compress_wrapper,
        "bf16_powerSGD": default_hooks.bf16_compress_wrapper,
    }
    if name not in wrappers:
        raise BuildError(f"comm_hook: {name!r} is none; there are {', '.join([*plain, *wrappers])}")
    state = powerSGD_hook.PowerSGDState(process_group=None, **options)
    model.register_comm_hook(state, wrappers[name](powerSGD_hook.powerSGD_hook))
