"""Copies of tensors in host memory, taken while the run stands still and written while it goes on."""

from __future__ import annotations

from collections.abc import Hashable

import torch

__all__ = ["HostCopies"]


class HostCopies:
    """Copies of a checkpoint's tensors, in memory that the next checkpoint uses again.

    For an accelerator the memory is pinned, so that a copy runs at the bus's speed and without the host waiting for each
    tensor; `wait` then waits for all of them. One checkpoint at a time is copied: it takes as much memory as the
    checkpoint, which is kept until `release`.
    """

    def __init__(self) -> None:
        self._free: dict[Hashable, list[torch.Tensor]] = {}
        self._used: dict[Hashable, list[torch.Tensor]] = {}
        self._own: set[int] = set()
        self._devices: set[torch.device] = set()

    def begin(self) -> None:
        """Take up a new checkpoint: the copies of the one before are not needed any more."""
        self._free, self._used = self._used, {}
        self._own.clear()

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor's copy on the host; one of this checkpoint's copies is returned as it is.

        From an accelerator it is whole after `wait` alone.
        """
        if tensor.layout is not torch.strided or tensor.numel() == 0 or tensor.is_quantized:
            return tensor.detach().cpu().clone()
        if tensor.data_ptr() in self._own:
            return tensor
        is_pinned = tensor.device.type == "cuda"
        key = (tensor.shape, tensor.stride(), tensor.dtype, is_pinned)
        free = self._free.get(key)
        copy = free.pop() if free else torch.empty_like(tensor, device="cpu", pin_memory=is_pinned)
        copy.copy_(tensor, non_blocking=is_pinned)
        if is_pinned:
            self._devices.add(tensor.device)
        self._used.setdefault(key, []).append(copy)
        self._own.add(copy.data_ptr())
        return copy

    def wait(self) -> None:
        """Wait for the copies that are under way; what no copy of this checkpoint took up again is given back."""
        for device in self._devices:
            torch.cuda.current_stream(device).synchronize()
        self._devices.clear()
        self._free.clear()

    def release(self) -> None:
        """Give the memory back."""
        self._free.clear()
        self._used.clear()
        self._own.clear()
