"""A run cut down to one training step, one validation step and one checkpoint: what would fail does so within seconds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from runner.checkpoint import load
from runner.hooks.checkpoint import CheckpointHook
from runner.logging.console import summary
from runner.logging.memory import peak_memory

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["DryRun", "dry_run", "report"]

_TIMED = 3
"""Steps that are timed behind the first, which warms up allocators and kernels."""


@dataclass(slots=True, kw_only=True)
class DryRun:
    """What a dry run found.

    Attributes:
        batch: Shapes and types of a batch's tensors, by their place in it.
        losses: What the training step returned.
        parameters: How many numbers are trained.
        step_seconds: Of a training step with its data, the median of those behind the first.
        val_step_seconds: Of a validation step; None without a validation.
        memory: The most that was in use, in MiB; None where the system does not say.
        checkpoint: Its size in bytes.
        steps: Training steps of the whole run.
        val_steps: Validation steps of the whole run.
    """

    batch: dict[str, str]
    losses: dict[str, float]
    parameters: int
    step_seconds: float
    memory: int | None
    checkpoint: int
    steps: int
    val_step_seconds: float | None = None
    val_steps: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """An estimate for the whole run, without checkpoints and the start of workers."""
        return self.steps * self.step_seconds + self.val_steps * (self.val_step_seconds or 0.0)


def dry_run(runner: Runner) -> DryRun:
    """Take one training step and a few to time it, one validation step, write a checkpoint and read it back.

    Args:
        runner: A fresh Runner whose work directory may be thrown away.
    """
    with runner.message_hub.current(), runner.logger.current():
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.out_dir = ""  # what is tried here is written nowhere else
        loop = runner.prepare_training()
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        runner.model.train()
        batch, step_seconds = _train(runner)
        losses = {
            key.removeprefix("train/"): buffer.current()
            for key, buffer in runner.message_hub.log_scalars.items()
            if "loss" in key
        }
        found = DryRun(
            batch=dict(_shapes(batch)),
            losses=losses,
            parameters=sum(each.numel() for each in runner.unwrapped_model.parameters() if each.requires_grad),
            step_seconds=step_seconds,
            memory=None,
            checkpoint=_checkpoint(runner),
            steps=loop.max_iters,
        )
        _validate(runner, found)
        found.memory = peak_memory(runner.device)
    return found


def _train(runner: Runner) -> tuple[Any, float]:
    """One step, then a few that are timed; the first batch, and the median."""
    loop: Any = runner.train_loop
    seconds, first = [], None
    batches = loop.batches(0)
    for _ in range(1 + min(_TIMED, loop.max_iters - 1)):
        started = time.perf_counter()
        following = next(batches, None)
        if following is None:
            break
        index, batch = following
        first = batch if first is None else first
        loop.run_step(index, batch)
        _wait(runner.device)
        seconds.append(time.perf_counter() - started)
    timed = sorted(seconds[1:] or seconds)
    return first, timed[len(timed) // 2]


def _validate(runner: Runner, found: DryRun) -> None:
    """One validation step, and the metrics of its batch."""
    loop = runner.val_loop
    if loop is None:
        return
    runner.model.eval()
    batch = next(iter(loop.dataloader))
    started = time.perf_counter()
    loop.run_iter(0, batch)
    _wait(runner.device)
    found.val_step_seconds = time.perf_counter() - started
    found.metrics = loop.evaluator.evaluate(loop.dataloader.batch_size or 1)
    train: Any = runner.train_loop
    position, end = (runner.max_epochs, runner.max_epochs) if runner.max_epochs > 1 else (runner.max_iters,) * 2
    validations = 0
    for each in range(1, position + 1):
        train.decide_val_interval(each)
        validations += train.is_validation_due(each, end)
    found.val_steps = validations * len(loop.dataloader)


def _checkpoint(runner: Runner) -> int:
    """Write a checkpoint and read it back; its size."""
    runner.save_checkpoint(runner.work_dir, "dry_run.pth", by_epoch=False)
    path = Path(runner.work_dir, "dry_run.pth")
    runner.store.verify(path)
    runner.resume(str(path))
    load(path)
    return path.stat().st_size


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _shapes(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The tensors of a batch, by their place in it."""
    if isinstance(value, torch.Tensor):
        yield path or "batch", f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _shapes(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value[:8]):  # a list of samples is as long as the batch
            yield from _shapes(each, f"{path}.{number}" if path else str(number))


def report(found: DryRun) -> str:
    """A dry run for people."""
    rows = {
        "batch": ", ".join(f"{place}: {shape}" for place, shape in found.batch.items()) or "no tensors",
        "losses": ", ".join(f"{name} {value:.4f}" for name, value in found.losses.items()),
        "metrics": ", ".join(f"{name} {value}" for name, value in found.metrics.items()) or "no validation",
        "parameters": f"{found.parameters:,} are trained",
        "training step": f"{found.step_seconds * 1e3:.1f} ms, {found.steps:,} of them",
    }
    if found.val_step_seconds is not None:
        rows["validation step"] = f"{found.val_step_seconds * 1e3:.1f} ms, {found.val_steps:,} of them"
    if found.memory is not None:
        rows["memory"] = f"{found.memory:,} MiB at most"
    rows["checkpoint"] = f"{found.checkpoint / 2**20:.1f} MiB, written and read back"
    rows["whole run"] = f"about {dt.timedelta(seconds=round(found.seconds))}, checkpoints not counted"
    return summary("Dry run: everything was built, and a step of each kind taken", rows)
