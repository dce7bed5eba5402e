"""Metrics of torchmetrics, and whatever else has `update`, `compute` and `reset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch

from runner.evaluator.metric import BaseMetric, on_cpu
from runner.kinds import Interval, Slot

__all__ = ["TorchMetric"]

_PREDICTIONS = ("pred_score", "pred_label")
_TRUTHS = ("gt_label",)
_LABELS = ("labels", "label", "targets", "target", "gt_label")


class TorchMetric(BaseMetric):
    """Measures with a metric of torchmetrics: anything with `update(preds, target)`, `compute()` and `reset()`.

    Predictions and truths are kept on the CPU sample by sample, and handed to the metric once all are there, in the
    dataset's order: what processes repeat to come out even counts once, whatever the number of processes.

    Args:
        metric: The metric; being a `torch.nn.Module`, it is listed as a `model` in `custom_imports.components`.
        preds: The key of a prediction in what the model returns for a sample; by default that itself, or its `pred_score`
            or `pred_label`.
        target: The key or the position of the truth in the batch, or its key in what the model returns; by default that
            one's `gt_label`, else the batch's `labels`, or what stands second in it.
        name: What the result is called; by default the metric's class. A metric that returns several has names for them.
        chunk_size: How many samples the metric is handed at a time.
        collect_device: Where results travel when several processes gather them.
        prefix: Put before every name, as `prefix/name`.
        collect_dir: Taken for the sake of configs that give it; nothing is written to disk.
    """

    yields: ClassVar[tuple[str, ...]] = ("*",)

    def __init__(
        self,
        metric: Annotated[Any, Slot("model")],
        preds: str | None = None,
        target: str | int | None = None,
        name: str | None = None,
        chunk_size: Annotated[int, Interval(ge=1)] = 1000,
        collect_device: Literal["cpu", "gpu"] = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        missing = [each for each in ("update", "compute", "reset") if not hasattr(metric, each)]
        if missing:
            raise TypeError(f"TorchMetric: {type(metric).__name__} has no {', '.join(missing)}; is it of torchmetrics?")
        # One process computes, and has everything: there is nothing to ask the others for.
        for module in metric.modules() if isinstance(metric, torch.nn.Module) else ():
            if hasattr(module, "distributed_available_fn"):
                vars(module)["distributed_available_fn"] = _not_distributed
        self.metric = metric
        self.preds = preds
        self.target = target
        self.name = name if name is not None else type(metric).__name__
        self.chunk_size = chunk_size

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep a batch's predictions and truths.

        Args:
            data_batch: What the loader returned.
            data_samples: What the model returned, one entry a sample.

        Raises:
            ValueError: There is no truth where it is looked for, or not one for each sample.
        """
        samples = list(data_samples)
        truths = self._truths(data_batch, samples)
        if len(truths) != len(samples):
            raise ValueError(
                f"TorchMetric: the model returned {len(samples)} samples for a batch of {len(truths)} truths"
            )
        self.results.extend(
            on_cpu((self._prediction(sample), truth)) for sample, truth in zip(samples, truths, strict=True)
        )

    def _prediction(self, sample: Any) -> Any:
        if self.preds is not None:
            return sample[self.preds]
        if isinstance(sample, Mapping):
            return next((sample[key] for key in _PREDICTIONS if key in sample), sample)
        return sample

    def _truths(self, batch: Any, samples: list[Any]) -> Any:
        names = _TRUTHS if self.target is None else (self.target,)
        for name in names:
            if samples and all(isinstance(each, Mapping) and name in each for each in samples):
                return [each[name] for each in samples]
        if isinstance(batch, Mapping):
            found = next((name for name in (_LABELS if self.target is None else names) if name in batch), None)
            if found is not None:
                return batch[found]
        elif isinstance(batch, Sequence):
            place = 1 if self.target is None else self.target
            if isinstance(place, int) and -len(batch) <= place < len(batch):
                return batch[place]
        raise ValueError(
            f"TorchMetric: no truth in the batch, a {type(batch).__name__}, nor in what the model returned; "
            "say where it is with target"
        )

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Hand everything to the metric.

        Args:
            results: Predictions and truths of all samples.
        """
        self.metric.reset()
        for begin in range(0, len(results), self.chunk_size):
            chunk = results[begin : begin + self.chunk_size]
            self.metric.update(_batched([each for each, _ in chunk]), _batched([each for _, each in chunk]))
        value = self.metric.compute()
        self.metric.reset()
        return dict(value) if isinstance(value, Mapping) else {self.name: value}


def _not_distributed() -> bool:
    return False


def _batched(values: list[Any]) -> Any:
    """Numbers and tensors of one shape as one tensor, anything else as the list that it is."""
    if all(isinstance(each, (int, float)) for each in values):
        return torch.tensor(values)
    if all(isinstance(each, torch.Tensor) and each.shape == values[0].shape for each in values):
        return torch.stack(values)
    return values
