"""What hooks that guard a run did in it, and where they go back to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from runner import dist
from runner.optim import OptimWrapperDict

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from runner.runner import Runner

__all__ = ["Actions", "KeptBuffers", "newest_checkpoint", "optimizers"]


class Actions:
    """What was done so far: in a file of the log directory, in the message hub, and for the hook's state.

    Args:
        name: Of the file (`<name>.jsonl`) and of the message hub's entry.

    Attributes:
        rows: One mapping for each action, the oldest first.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []

    def record(self, runner: Runner, rows: Sequence[dict[str, Any]]) -> None:
        """Add actions, with the time.

        Args:
            runner: The run.
            rows: What was done.
        """
        timed = [{**row, "time": time.strftime("%Y-%m-%d %H:%M:%S")} for row in rows]
        self.rows += timed
        self.publish(runner)
        if runner.rank == 0:
            with Path(runner.log_dir, f"{self.name}.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(row)}\n" for row in timed)

    def publish(self, runner: Runner) -> None:
        """Let the message hub have what there is; nothing where nothing was done."""
        if self.rows:
            runner.message_hub.update_info(self.name, list(self.rows))

    def restore(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take back what a checkpoint holds; what was done since, before going back, is not forgotten."""
        if len(rows) > len(self.rows):
            self.rows = [dict(row) for row in rows]


class KeptBuffers:
    """A model's buffers (batch norm's running statistics, …) as they were before a batch that nothing is to learn from."""

    def __init__(self) -> None:
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(self, model: nn.Module) -> None:
        """Remember what they are now."""
        self._kept = [(each, each.detach().clone()) for each in model.buffers()]

    @torch.no_grad()
    def put_back(self) -> None:
        """Make them what they were; nothing where nothing is kept."""
        for buffer, before in self._kept:
            buffer.copy_(before)
        self._kept.clear()

    def forget(self) -> None:
        """Keep nothing any more."""
        self._kept.clear()


def newest_checkpoint(runner: Runner, before: int) -> str | None:
    """The newest whole checkpoint from before an iteration, the same for all ranks; None where there is none.

    Every rank calls this. What is being written in the background counts once it is written. A folder may hold newer ones
    of a run that went further, when this one went on from an earlier place.

    Args:
        runner: The run.
        before: The first iteration, from 1, that must not be in it.
    """
    found: list[str | None] = [None]
    with runner.hooks.phase(runner, "looks for a checkpoint to go back to"):
        runner.saver.wait()
        if dist.is_main_process():
            newest = runner.store.newest(at_most=before - 1)
            found = [None if newest is None else str(newest)]
        dist.broadcast_object_list(found)
    return found[0]


def optimizers(runner: Runner) -> Iterator[Optimizer]:
    """The optimizers of a run."""
    wrapper = runner.optim_wrapper
    assert wrapper is not None
    for each in wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]:
        yield each.optimizer
