"""What the device and this process use of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Annotated, Any

import torch

from runner.hooks.hook import Hook
from runner.kinds import Interval
from runner.logging.memory import peak_memory

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["DeviceStatsHook"]

_MIB = 2**20


class DeviceStatsHook(Hook):
    """Records every `interval` iterations what is used of the device and of the machine, of rank 0.

    On a CUDA device `train/device_memory` and `train/device_reserved`, in MiB, and `train/device_utilization` in percent
    where the package `nvidia-ml-py` is there to ask; of the process `train/host_memory` in MiB, and `train/cpu`, its share
    of the cores' time in percent of one core; of the machine `train/load`, its load over the last minute. Nothing here
    waits for the device.

    Args:
        interval: Iterations from one record to the next.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, interval: Annotated[int, Interval(ge=1)] = 10) -> None:
        self.interval = interval
        self._wall = self._busy = 0.0
        self._has_utilization = True

    def before_train(self, runner: Runner) -> None:
        """Start the clocks."""
        self._wall, self._busy = perf_counter(), process_time()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Record at intervals."""
        if self.every_n_train_iters(runner, self.interval):
            for name, value in (*self._device(runner), *self._host()):
                runner.message_hub.update_scalar(f"train/{name}", value)

    def _device(self, runner: Runner) -> Iterator[tuple[str, float]]:
        device = runner.device
        if device.type != "cuda":
            return
        yield "device_memory", torch.cuda.memory_allocated(device) / _MIB
        yield "device_reserved", torch.cuda.memory_reserved(device) / _MIB
        if self._has_utilization:
            try:
                yield "device_utilization", torch.cuda.utilization(device)
            except (ModuleNotFoundError, RuntimeError) as error:
                self._has_utilization = False
                runner.logger.warning(f"the device's utilization is not known: {error}")

    def _host(self) -> Iterator[tuple[str, float]]:
        memory = _resident()
        if memory is not None:
            yield "host_memory", memory
        wall, busy = perf_counter(), process_time()
        yield "cpu", 100 * (busy - self._busy) / max(wall - self._wall, 1e-9)
        self._wall, self._busy = wall, busy
        if hasattr(os, "getloadavg"):
            yield "load", os.getloadavg()[0]


def _resident() -> float | None:
    """What this process holds of the machine's memory, in MiB; what it held at most, where only that is told."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return peak_memory("cpu")
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
