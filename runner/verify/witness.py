"""The hooks that write down what happens in a run, step by step, and end it where they were told to."""

# ruff: noqa: ARG002 - a hook takes what its point is called with

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from runner.hooks import Hook
from runner.verify.fingerprint import fingerprints, own_attributes

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["FINAL", "RECORD", "Ender", "Enough", "Witness"]

RECORD = "record.jsonl"
FINAL = "final.pth"


class Enough(BaseException):
    """The last step that was asked for is done. No `except Exception` on the way may take it for an error."""


class Witness(Hook):
    """Writes down each step's batch, outputs and generators, before any other hook has acted; what comes after is `Ender`'s.

    At the first step, at the one that follows the kill, and at the end, it writes down what each part of the run
    remembers: what differs there between a run and its resumption is what no checkpoint held.

    Args:
        folder: Takes the record.
        seam: The steps that are finished when the killed run is killed.
        last: The steps after which it is over.
    """

    priority = "HIGHEST"

    def __init__(self, folder: Path, seam: int, last: int) -> None:
        self._file = (folder / RECORD).open("a", encoding="utf-8")
        self._seam = seam
        self._last = last
        self._is_first = True
        self.step: dict[str, Any] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Write down the batch."""
        if self._is_first or runner.iter in {self._seam, self._last}:
            self._is_first = False
            self.write(kind="memory", iter=runner.iter, memory=_memory(runner))
        self.step = {"kind": "step", "iter": runner.iter + 1, "batch": dict(fingerprints(data_batch))}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Write down what the step gave, and where it left the generators."""
        self.step["outputs"] = dict(fingerprints(outputs or {}))
        self.step["generators"] = _generators(runner)

    def write(self, **row: Any) -> None:
        """Write a line, which a kill can't take back."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()


class Ender(Hook):
    """Writes down the weights behind each step, and kills or ends the run.

    Args:
        witness: What the rest of the step was told to.
        folder: Takes the last checkpoint.
        kill_at: The steps after which a checkpoint is saved and the process killed; None lets it live.
        last: The steps after which it is over.
    """

    priority = "LOWEST"

    def __init__(self, witness: Witness, folder: Path, kill_at: int | None, last: int) -> None:
        self._witness = witness
        self._folder = folder
        self._kill_at = kill_at
        self._last = last

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Write down the weights; kill this process if it is time."""
        model: Any = runner.unwrapped_model
        step = self._witness.step
        step["weights"] = dict(fingerprints(dict(model.state_dict())))
        assert runner.optim_wrapper is not None
        step["rates"] = dict(fingerprints(runner.optim_wrapper.get_lr()))
        self._witness.write(**step)
        if runner.iter + 1 == self._kill_at:
            runner.save_checkpoint(str(self._folder), "killed.pth")
            os.kill(os.getpid(), signal.SIGKILL)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """End the run before the first step that nobody asked for: what follows the last one is done then."""
        if runner.iter >= self._last:
            self._end(runner)

    def after_train(self, runner: Runner) -> None:
        """End it, where its own end comes first."""
        self._witness.write(kind="memory", iter=runner.iter, memory=_memory(runner))
        self._end(runner)

    def _end(self, runner: Runner) -> None:
        runner.save_checkpoint(str(self._folder), FINAL)
        raise Enough


def _generators(runner: Runner) -> dict[str, str]:
    found: dict[str, Any] = {
        "Python's generator": repr(random.getstate()).encode(),
        "NumPy's generator": repr(np.random.get_state(legacy=False)).encode(),  # noqa: NPY002 - the one that is keyed
        "torch's generator": torch.get_rng_state(),
    }
    if runner.device.type == "cuda":
        found["torch's generator of the device"] = torch.cuda.get_rng_state(runner.device)
    return dict(fingerprints(found))


def _memory(runner: Runner) -> dict[str, dict[str, str]]:
    """What each part remembers, by the part."""
    loader: Any = runner.train_loop.dataloader
    found = {
        "model": own_attributes(runner.unwrapped_model, "model"),
        "data": own_attributes(loader.dataset, "dataset"),
        "sampler": own_attributes(loader.sampler, "sampler") | own_attributes(loader.batch_sampler, "batch_sampler"),
        "streams": dict(fingerprints(runner.streams.state_dict(), "streams")),
        "hooks": {},
        "loop": _of_users(runner.train_loop, f"loop {type(runner.train_loop).__name__}", runner),
        "metrics": {},
    }
    for hook in runner.hooks:
        if not isinstance(hook, (Witness, Ender)):
            found["hooks"] |= _of_users(hook, f"hook {type(hook).__name__}", runner)
    if runner.val_loop is not None:
        for metric in runner.val_loop.evaluator.metrics:
            found["metrics"] |= _of_users(metric, f"metric {type(metric).__name__}", runner)
    return found


def _of_users(thing: Any, name: str, runner: Runner) -> dict[str, str]:
    """What a user's object remembers; ours tell all of it to the checkpoint."""
    if type(thing).__module__.partition(".")[0] == "runner":
        return {}
    attributes = {key: value for key, value in vars(thing).items() if value is not runner}
    return {f"{name}.{path}": text for path, text in fingerprints(attributes)}
