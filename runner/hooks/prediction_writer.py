"""Predictions on the disk, one by one as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from runner import dist
from runner.hooks.hook import Hook

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["PredictionWriterHook"]


class PredictionWriterHook(Hook):
    """Writes the model's output for each sample as a line of JSON, in the order of the data set.

    Memory does not grow with the data set: each rank appends to a file of its own, and rank 0 merges them at the end,
    without the samples that were repeated to come out even. The files are `predictions/test.jsonl`,
    `predictions/val_epoch_<n>.jsonl` or `predictions/val_iter_<n>.jsonl` in the log directory; each line holds the
    sample's `index` and its `prediction`.

    Args:
        modes: When to write.
        fields: The parts of an output that are written, where outputs are mappings or data elements; by default all.
        out_dir: The folder to write into instead.
    """

    def __init__(
        self,
        modes: Sequence[Literal["val", "test"]] = ("test",),
        fields: list[str] | None = None,
        out_dir: str | None = None,
    ) -> None:
        self.modes = tuple(modes)
        self.fields = fields
        self.out_dir = out_dir
        self._file: IO[str] | None = None
        self._index = 0

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        if mode not in self.modes or runner.rank % dist.get_tensor_parallel_size():
            return  # another rank has the same samples
        part = self._part(runner, mode, runner.rank)
        part.parent.mkdir(parents=True, exist_ok=True)
        self._file = part.open("w", encoding="utf-8")
        self._index = runner.data_rank

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | dict[str, Any] | None = None,
        mode: str = "train",
    ) -> None:
        if self._file is None or mode not in self.modes or outputs is None:
            return
        for output in outputs:
            row = {"index": self._index, "prediction": _plain(output, self.fields)}
            self._file.write(f"{json.dumps(row)}\n")
            self._index += runner.data_world_size  # ranks take samples in turn

    def before_val_metrics(self, runner: Runner) -> None:
        """Take no more: a hook that measures once more, as EMAHook does for the weights themselves, has its own outputs."""
        self._close()

    def before_test_metrics(self, runner: Runner) -> None:
        """As before the metrics of a validation."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _after_epoch(self, runner: Runner, mode: str = "train") -> None:
        if mode not in self.modes:
            return
        self._close()
        dist.barrier()
        if runner.rank == 0:
            self._merge(runner, mode)

    def _merge(self, runner: Runner, mode: str) -> None:
        step = dist.get_tensor_parallel_size()
        parts = [self._part(runner, mode, rank) for rank in range(0, runner.world_size, step)]
        dataset = getattr(runner, f"{mode}_dataloader").dataset
        size = len(dataset) if hasattr(dataset, "__len__") else None
        target = self._folder(runner) / f"{self._stem(runner, mode)}.jsonl"
        with target.open("w", encoding="utf-8") as file:
            for number, line in enumerate(_in_turn(parts)):
                if size is None or number < size:
                    file.write(line)
        for part in parts:
            part.unlink()
        runner.logger.info(f"predictions: {target}")

    def _part(self, runner: Runner, mode: str, rank: int) -> Path:
        return self._folder(runner) / f"{self._stem(runner, mode)}.rank{rank}.jsonl"

    def _folder(self, runner: Runner) -> Path:
        return Path(self.out_dir or Path(runner.log_dir, "predictions"))

    def _stem(self, runner: Runner, mode: str) -> str:
        if mode == "test":
            return mode
        by_epoch = getattr(runner.train_loop, "epochs_are_passes", True)
        return f"val_epoch_{runner.epoch}" if by_epoch else f"val_iter_{runner.iter}"


def _in_turn(parts: Sequence[Path]) -> Iterator[str]:
    """Lines of several files, one of each in turn, until none has any left."""
    files = [part.open(encoding="utf-8") for part in parts]
    try:
        while files:
            lines = [file.readline() for file in files]
            yield from (line for line in lines if line)
            if not any(lines):
                return
    finally:
        for file in files:
            file.close()


def _plain(value: Any, fields: Sequence[str] | None = None) -> Any:
    """A prediction as JSON has it."""
    if hasattr(value, "to_dict") and not isinstance(value, Mapping):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if fields is None or name in fields}
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
