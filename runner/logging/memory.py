"""How much memory this process has used at most."""

from __future__ import annotations

import sys

import torch

if sys.platform != "win32":
    import resource

__all__ = ["peak_memory"]


def peak_memory(device: torch.device | str) -> int | None:
    """The most memory that was in use so far, in MiB; None where the system does not say.

    On a CUDA device it is what PyTorch's tensors took there; on others what this process took of the machine's memory.

    Args:
        device: Where the model is.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KiB elsewhere.
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10
