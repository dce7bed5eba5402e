"""How fast the training goes: samples and tokens a second, and how much of the device's arithmetic that takes."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from runner.errors import BuildError
from runner.hooks.hook import Hook
from runner.kinds import Interval
from runner.optim import AmpOptimWrapper

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["PEAKS", "ThroughputHook"]

PEAKS: Final[Mapping[str, Mapping[str, float]]] = {
    "B200": {"half": 2250e12, "tf32": 1125e12, "single": 75e12},
    "GH200": {"half": 989.4e12, "tf32": 494.7e12, "single": 66.9e12},
    "H200": {"half": 989.4e12, "tf32": 494.7e12, "single": 66.9e12},
    "H100 PCIe": {"half": 756e12, "tf32": 378e12, "single": 51.2e12},
    "H100": {"half": 989.4e12, "tf32": 494.7e12, "single": 66.9e12},
    "A100": {"half": 312e12, "tf32": 156e12, "single": 19.5e12},
    "A10": {"half": 125e12, "tf32": 62.5e12, "single": 31.2e12},
    "L40S": {"half": 362e12, "tf32": 183e12, "single": 91.6e12},
    "L4": {"half": 121e12, "tf32": 60e12, "single": 30.3e12},
    "V100": {"half": 125e12, "tf32": 15.7e12, "single": 15.7e12},
    "T4": {"half": 65e12, "tf32": 8.1e12, "single": 8.1e12},
}
"""Floating point operations a second without sparsity, from NVIDIA's data sheets, by a part of the device's name."""


class ThroughputHook(Hook):
    """Records `train/samples_per_second`, and what else can be known of the speed, every `interval` iterations.

    `train/tokens_per_second` where `tokens` says what is counted. `train/tflops` is what the model's matrix products and
    convolutions take, forward and backward, counted once in the first step by torch's FlopCounterMode, on one device;
    `train/mfu` is its share of the device's peak, where that is known (Chowdhery et al., "PaLM", 2022). Samples and tokens
    are those of all ranks. Time is wall time, validations and saves left out. Nothing is read from a device.

    Args:
        interval: Iterations from one record to the next.
        tokens: The part of a batch whose elements are counted as tokens, by its key or its index.
        flops: Whether to count operations; a compiled step is not counted.
        peak_flops: The device's peak, in operations a second; by default from a table, by its name and the number type.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self,
        interval: Annotated[int, Interval(ge=1)] = 10,
        tokens: str | int | None = None,
        flops: bool = True,
        peak_flops: Annotated[float, Interval(gt=0)] | None = None,
    ) -> None:
        self.interval = interval
        self.tokens = tokens
        self.counts_flops = flops
        self.peak_flops = peak_flops
        self._counter: FlopCounterMode | None = None
        self._flops_per_sample: float | None = None
        self._most = sys.maxsize
        self._forget()

    def _forget(self) -> None:
        self._samples = self._tokens = self._steps = 0
        self._seconds, self._started = 0.0, None

    _started: float | None

    def before_train(self, runner: Runner) -> None:
        """Find the device's peak."""
        self._forget()
        # Of a list of tensors nobody can tell whether they are samples or the fields of a batch.
        self._most = getattr(runner.train_dataloader, "batch_size", None) or sys.maxsize
        if self.peak_flops is None:
            self.peak_flops = _peak(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Count operations in the first step; let the clock run on after what it was stopped for."""
        if self._started is None:
            self._started = perf_counter()
        if self.counts_flops and self._flops_per_sample is None and not runner.cfg.get("compile"):
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Count, and record at intervals."""
        samples = min(_samples(data_batch), self._most)
        if self._counter is not None:
            self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # as above
            self._flops_per_sample = self._counter.get_total_flops() / max(samples, 1)
            self._counter = None
            self._started = perf_counter()  # the counted step is a slow one
            return
        self._samples += samples
        self._steps += 1
        if self.tokens is not None:
            self._tokens += _elements(data_batch, self.tokens)
        if self._started is not None and self._steps >= self.interval:
            self._record(runner)

    def before_val(self, runner: Runner) -> None:
        """Stop the clock."""
        self._stop()

    def after_val(self, runner: Runner) -> None:
        """Let it run on."""
        self._started = perf_counter()

    def before_save(self, runner: Runner) -> None:
        """Stop the clock."""
        self._stop()

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._started = perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop the clock between epochs."""
        self._stop()

    def _stop(self) -> None:
        if self._started is not None:
            self._seconds += perf_counter() - self._started
            self._started = None

    def _record(self, runner: Runner) -> None:
        self._stop()
        rate = self._samples / self._seconds * runner.data_world_size
        hub = runner.message_hub
        hub.update_scalar("train/samples_per_second", rate)
        if self.tokens is not None:
            hub.update_scalar("train/tokens_per_second", self._tokens / self._seconds * runner.data_world_size)
        if self._flops_per_sample:
            flops = self._flops_per_sample * rate / runner.world_size
            hub.update_scalar("train/tflops", flops / 1e12)
            if self.peak_flops is not None:
                hub.update_scalar("train/mfu", flops / self.peak_flops)
        self._forget()
        self._started = perf_counter()


def _peak(runner: Runner) -> float | None:
    """What the device can do at most in the numbers that the model is trained in; None where that is not known."""
    if runner.device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(runner.device)
    found = next((peaks for part, peaks in PEAKS.items() if all(word in name for word in part.split())), None)
    if found is None:
        return None
    first = next(runner.unwrapped_model.parameters(), None)
    is_half = isinstance(runner.optim_wrapper, AmpOptimWrapper) or (
        first is not None and first.dtype in {torch.float16, torch.bfloat16}
    )
    if is_half:
        return found["half"]
    return found["tf32" if torch.backends.cuda.matmul.allow_tf32 else "single"]


def _elements(batch: Any, part: str | int) -> int:
    """How many elements a part of a batch has: a tensor, an array, or a list of them.

    Raises:
        BuildError: The batch has no such part, or it is nothing of the kind.
    """
    try:
        field = batch[part]
    except (KeyError, IndexError, TypeError) as error:
        there = f"mapping of {', '.join(map(repr, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
        there += f" of {len(batch)}" if isinstance(batch, (list, tuple)) else ""
        raise BuildError(
            f"ThroughputHook: tokens is {part!r}, and a batch is a {there}; give the key or the index of a part"
        ) from error
    sizes = [getattr(each, "shape", None) for each in (field if isinstance(field, (list, tuple)) else [field])]
    if any(size is None for size in sizes):
        raise BuildError(
            f"ThroughputHook: tokens is {part!r}, a {type(field).__name__} whose elements can't be counted; give a part "
            "that is a tensor, or a list of tensors"
        )
    return sum(math.prod(size) for size in sizes if size is not None)


def _samples(batch: Any) -> int:
    """How many samples a batch has, by the first of its fields."""
    field = batch
    while isinstance(field, Mapping) and field:
        field = next(iter(field.values()))
    if field is batch and isinstance(batch, (list, tuple)) and batch:
        field = batch[0]  # a field of the batch, as a loader's collation makes them
        while isinstance(field, Mapping) and field:
            field = next(iter(field.values()))
    if isinstance(field, torch.Tensor):
        return field.shape[0] if field.dim() else 1
    return len(field) if isinstance(field, (list, tuple)) else 1
