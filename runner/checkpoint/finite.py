"""Whether a model's weights are numbers, told by one pass over them on their device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import nn

from runner import dist
from runner.dist.sharding import local
from runner.errors import NonFiniteError

__all__ = ["require_finite"]

SHOWN = 5


def require_finite(model: nn.Module, name: str) -> None:
    """Refuse to save weights that are not finite. Every rank calls this; the device is waited for once.

    Parameters have to be finite. A buffer may hold infinities, as masks do, but nothing that is not a number.

    Args:
        model: What is to be saved.
        name: The checkpoint's name, for the error.

    Raises:
        NonFiniteError: They are not; on every rank.
    """
    verdicts = [verdict for _, verdict in _verdicts(model)]
    device = next(model.parameters(), torch.zeros(())).device
    bad = (
        torch.stack([each.to(device) for each in verdicts]).any().float()
        if verdicts
        else torch.zeros((), device=device)
    )
    if dist.get_world_size() > 1:
        dist.all_reduce(bad, "max")
    if bad.item():
        names = [name for names, verdict in _verdicts(model) if verdict.item() for name in _guilty(model, names)]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise NonFiniteError(
            f"{name} was not saved: {', '.join(names[:SHOWN]) or 'the weights of another rank'}{more} "
            f"{'are' if len(names) != 1 else 'is'} not finite. The checkpoints before it are untouched. Look at the data and at "
            "the learning rate, or let NaNGuardHook act on the update that does it; CheckpointHook's on_non_finite says what "
            "else may be done at a save"
        )


def _verdicts(model: nn.Module) -> Iterator[tuple[list[str], torch.Tensor]]:
    """Names of tensors, and whether any of them is bad: a boolean that stays on their device."""
    groups: dict[tuple[torch.device, torch.dtype], dict[str, torch.Tensor]] = defaultdict(dict)
    for name, parameter in model.named_parameters():
        tensor = local(parameter.detach())
        if not _counts(tensor):
            continue
        if tensor.device.type == "cpu":
            yield [name], _is_not_finite(tensor)
        else:
            groups[tensor.device, tensor.dtype][name] = tensor
    for group in groups.values():
        # One kernel for many tensors, and no sum that could overflow.
        norms = torch._foreach_norm(list(group.values()), float("inf"))  # noqa: SLF001 - what torch's own clipping calls
        yield list(group), ~torch.isfinite(torch.stack(norms)).all()
    for name, buffer in model.named_buffers():
        tensor = local(buffer.detach())
        if _counts(tensor):
            yield [name], torch.isnan(tensor).any()


def _is_not_finite(tensor: torch.Tensor) -> torch.Tensor:
    """Whether a value of a tensor on the CPU, where a look at the result costs nothing, is not finite.

    A sum is the cheapest pass over memory that a core makes, and no value that is not finite leaves it finite. Large ones
    may overflow it, so that a sum that is not finite is only a reason to look closer.
    """
    if tensor.element_size() == 1:
        tensor = tensor.float()  # torch does not add up eight bits
    total = tensor.sum(dtype=torch.float32 if tensor.dtype == torch.float16 else None)
    if torch.isfinite(total):
        return torch.tensor(False)
    return ~torch.isfinite(torch.stack(tensor.aminmax())).all()


def _counts(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0 and tensor.device.type != "meta"


def _guilty(model: nn.Module, names: list[str]) -> Iterator[str]:
    parameters = dict(model.named_parameters())
    for name in names:
        if name not in parameters or not torch.isfinite(local(parameters[name].detach())).all():
            yield name
