"""Validation and testing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from runner.dataset import DataLoader as KeyedDataLoader
from runner.evaluator import Evaluator
from runner.loops.base import BaseLoop
from runner.loops.losses import Losses

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["EvaluationLoop", "TestLoop", "ValLoop"]


class EvaluationLoop(BaseLoop):
    """Go through a data set once and measure.

    A model may give its losses too: where the last of its outputs is a data element with nothing but `loss`, a mapping of
    tensors or lists of them, that one is kept from the metrics, and the means over all batches and ranks join the metrics
    under their names. The sum of those whose name contains `loss` joins them as `val_loss` or `test_loss`.

    Attributes:
        losses: What such outputs have given so far.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        evaluator: A built evaluator, or what to build one from.
        fp16: Whether the model runs under autocast.
    """

    mode: str
    """`val` or `test`: the hook points' middle word, and the model's `val_step` or `test_step`."""

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        evaluator: Evaluator | dict[str, Any] | list[Any],
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader)
        self.evaluator: Evaluator = runner.build_evaluator(evaluator)
        metainfo = getattr(self.dataloader.dataset, "metainfo", None)
        if metainfo is not None:
            self.evaluator.dataset_meta = metainfo
        self.fp16 = fp16
        self.losses = Losses()

    def run(self) -> dict[str, Any]:
        """Measure; returns the metrics. Called by a hook amid the steps of an epoch, it leaves the model in training."""
        runner = self.runner
        is_amid_steps = runner.finishing == "iter" and runner.model.training
        # Keyed apart and alike each time, so that a run that was resumed draws here what the uninterrupted one drew.
        runner.streams.enter_phase(self.mode, runner.iter)
        self.is_measuring = True
        runner.call_hook(f"before_{self.mode}")
        runner.call_hook(f"before_{self.mode}_epoch")
        metrics = self.measure()
        self.is_measuring = False
        runner.call_hook(f"after_{self.mode}_epoch", metrics=metrics)
        runner.call_hook(f"after_{self.mode}")
        if is_amid_steps:
            runner.model.train()
        return metrics

    def measure(self) -> dict[str, Any]:
        """Go through the data once; returns the metrics. Hooks are called at its batches alone, and nothing is logged."""
        if isinstance(self.dataloader, KeyedDataLoader):
            self.dataloader.set_epoch(0)
        self.runner.model.eval()
        self.losses.clear()
        for metric in self.evaluator.metrics:
            metric.results.clear()  # of a pass that was interrupted
        self.runner.call_hook(f"before_{self.mode}_batches")
        with torch.no_grad():
            for idx, data_batch in enumerate(self.dataloader):
                self.run_iter(idx, data_batch)
        self.runner.call_hook(f"before_{self.mode}_metrics")
        with self.runner.hooks.phase(self.runner, "computes metrics"):
            metrics = self.evaluator.evaluate(_samples(self.dataloader))
            return {**metrics, **self.losses.means(f"{self.mode}_loss")}

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One batch; what a custom loop overrides.

        Args:
            idx: The batch's number.
            data_batch: What the loader gave.
        """
        runner = self.runner
        runner.call_hook(f"before_{self.mode}_iter", batch_idx=idx, data_batch=data_batch)
        with torch.no_grad(), torch.autocast(runner.device.type, enabled=self.fp16):
            outputs = self.losses.take(self.step(data_batch))
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        runner.call_hook(f"after_{self.mode}_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)

    def step(self, data_batch: Any) -> Any:
        """The model's outputs for a batch."""
        return getattr(self.runner.model, f"{self.mode}_step")(data_batch)


class ValLoop(EvaluationLoop):
    """Go through the validation set once and measure.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        evaluator: A built evaluator, or what to build one from.
        fp16: Whether the model runs under autocast.
    """

    mode = "val"


class TestLoop(EvaluationLoop):
    """Go through the test set once and measure.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader, or the mapping to build one from.
        evaluator: A built evaluator, or what to build one from.
        fp16: Whether the model runs under autocast.
    """

    __test__ = False  # pytest takes the name for a test case
    mode = "test"


def _samples(dataloader: DataLoader[Any]) -> int:
    """How many samples the metrics have to be over: what ranks repeat to come out even is dropped."""
    try:
        return len(dataloader.dataset)  # type: ignore[arg-type]
    except TypeError:
        return sys.maxsize  # an iterable data set does not know its length, and nothing of it is repeated
