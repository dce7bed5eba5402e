"""Which device a run uses."""

from __future__ import annotations

import sys
from typing import Any

import torch

from runner.errors import RunnerError

__all__ = [
    "get_device",
    "get_max_cuda_memory",
    "get_max_musa_memory",
    "is_cuda_available",
    "is_dipu_available",
    "is_mlu_available",
    "is_mps_available",
    "is_musa_available",
    "is_npu_available",
    "is_npu_support_full_precision",
    "resolve_device",
]

_FULL_PRECISION_FROM = 220
"""The first version of Ascend's chips that computes in float32."""


def get_device() -> str:
    """The type of the first accelerator that torch reports (`cuda`, `mps`, `xpu`, …), else `cpu`."""
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
        return "cpu" if accelerator is None else accelerator.type
    return "cpu"


def resolve_device(name: str = "auto") -> torch.device:
    """The device that a name means, checked to be there.

    Args:
        name: `auto` (the first accelerator that torch reports, else the CPU), `cpu`, `cuda`, `cuda:1`, `mps`, ….
            Without an index it is the current device of its kind, which the launcher sets for each rank.

    Raises:
        RunnerError: There is no such device on this machine.
    """
    if name == "auto":
        name = get_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RunnerError(f"device: {name!r} is no device's name; use auto, cpu, cuda, cuda:N or mps") from error
    if device.type in {"cpu", "meta"}:
        return device
    available = get_device()
    if device.type != available:
        raise RunnerError(
            f"device: {name!r} is not on this machine, where torch finds {available}; use auto or {available}"
        )
    if ":" not in name:
        # torch.accelerator's name for the current index changed between the versions that we support.
        return device if name == "mps" else torch.device(name, torch.get_device_module(device).current_device())
    count = torch.accelerator.device_count()
    if device.index >= count:
        raise RunnerError(
            f"device: {name!r} is not on this machine, which has {device.type}:0 to {device.type}:{count - 1}"
        )
    return device


def is_cuda_available() -> bool:
    """Whether there is a device of CUDA or ROCm."""
    return torch.cuda.is_available()


def is_mps_available() -> bool:
    """Whether there is Apple's GPU."""
    return torch.backends.mps.is_available()


def is_npu_available() -> bool:
    """Whether there is an Ascend NPU, by the package torch_npu."""
    return _is_available(getattr(torch, "npu", None))


def is_mlu_available() -> bool:
    """Whether there is a Cambricon MLU, by the package torch_mlu."""
    return _is_available(getattr(torch, "mlu", None))


def is_musa_available() -> bool:
    """Whether there is a Moore Threads GPU, by the package torch_musa."""
    return _is_available(getattr(torch, "musa", None))


def is_dipu_available() -> bool:
    """Whether the package torch_dipu has been imported."""
    return "torch_dipu" in sys.modules


def is_npu_support_full_precision() -> bool:
    """Whether there is an Ascend NPU that computes in float32."""
    if not is_npu_available():
        return False
    from torch_npu.npu import utils  # type: ignore[import-not-found,unused-ignore] # only where there is an NPU

    return bool(utils.get_soc_version() >= _FULL_PRECISION_FROM)


def get_max_cuda_memory(device: torch.device | None = None) -> int:
    """The most memory that tensors have taken since the last call, in megabytes; counting starts anew.

    Args:
        device: The device; the current one when None.
    """
    megabytes = torch.cuda.max_memory_allocated(device) // 2**20
    torch.cuda.reset_peak_memory_stats(device)
    return megabytes


def get_max_musa_memory(device: torch.device | None = None) -> int:
    """The most memory that tensors have taken, in megabytes.

    Args:
        device: The device; the current one when None.
    """
    musa: Any = getattr(torch, "musa", None)
    if not _is_available(musa):
        raise RunnerError("device: torch finds no Moore Threads GPU; it needs the package torch_musa")
    return int(musa.max_memory_allocated(device)) // 2**20


def _is_available(module: Any) -> bool:
    """Whether torch has a module for a kind of device, and finds one."""
    return module is not None and bool(module.is_available())
