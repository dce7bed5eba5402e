"""Which device a run uses."""

from __future__ import annotations

import torch

from runner.errors import RunnerError

__all__ = ["get_device", "resolve_device"]


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
