"""Who holds the device's memory: a recording that pytorch.org/memory_viz shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch

from runner.hooks.hook import Hook
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["MemorySnapshotHook"]


class MemorySnapshotHook(Hook):
    """Records each allocation of a CUDA device over some iterations, with the code that made it, and writes it to a file.

    The file is `memory_rank<R>.pickle` in the log directory, to be dropped on pytorch.org/memory_viz. It is also written
    when the run ends in an exception while recording, an out-of-memory error above all. On other devices there is nothing
    to record, which is said. Recording costs some microseconds an allocation.

    Args:
        begin: The first iteration that is recorded, from 0.
        iterations: How many are.
        max_entries: The most events that are kept, the latest ones.
    """

    priority = "LOWEST"

    def __init__(
        self,
        begin: Annotated[int, Interval(ge=0)] = 0,
        iterations: Annotated[int, Interval(ge=1)] = 3,
        max_entries: Annotated[int, Interval(ge=1)] = 100_000,
    ) -> None:
        self.begin = begin
        self.iterations = iterations
        self.max_entries = max_entries
        self._is_recording = False

    def before_train(self, runner: Runner) -> None:
        """Say so where there is nothing to record."""
        if runner.device.type != "cuda":
            runner.logger.warning(f"MemorySnapshotHook records CUDA devices, and this run is on {runner.device}")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Begin to record."""
        if runner.iter == self.begin and runner.device.type == "cuda":
            torch.cuda.memory._record_memory_history(max_entries=self.max_entries)  # noqa: SLF001 - its documented name
            self._is_recording = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Write the file after the last recorded iteration."""
        if runner.iter + 1 == self.begin + self.iterations:
            self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the file of a run that was shorter."""
        self._write(runner)

    def on_exception(self, runner: Runner, exception: BaseException) -> None:
        """Write what led to an exception."""
        self._write(runner)

    def _write(self, runner: Runner) -> None:
        if not self._is_recording:
            return
        self._is_recording = False
        file = Path(runner.log_dir, f"memory_rank{runner.rank}.pickle")
        torch.cuda.memory._dump_snapshot(str(file))  # type: ignore[no-untyped-call]  # noqa: SLF001 - its documented name
        torch.cuda.memory._record_memory_history(enabled=None)  # noqa: SLF001 - as above
        runner.logger.info(f"memory snapshot: {file}")
