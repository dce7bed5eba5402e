"""How good a classifier is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch

from runner.evaluator import BaseMetric
from runner.kinds import Interval
from runner_vision.predictions import read_predictions

__all__ = ["Accuracy", "ConfusionMatrix"]


class Accuracy(BaseMetric):
    """How many of a hundred images are classified correctly: `accuracy/top1`, from 0 to 100.

    For each image the model returns a mapping with `pred_score` (a number for each class) or `pred_label`, or only a
    tensor of scores; the true label is its `gt_label`, or the second part of the batch.

    Args:
        topk: An image counts as correct when its class is among the k highest scores; each k gives a metric `topK`.
        collect_device: Where results travel when several processes gather them.
        prefix: Put before every name, as `prefix/name`; by default `accuracy`.
    """

    default_prefix: ClassVar[str | None] = "accuracy"
    yields: ClassVar[tuple[str, ...]] = ("top{topk}",)

    def __init__(
        self,
        topk: Annotated[int, Interval(ge=1)] | Sequence[Annotated[int, Interval(ge=1)]] = 1,
        collect_device: Literal["cpu", "gpu"] = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or min(self.topk) < 1:
            raise ValueError(f"topk is {topk}; it takes one number from 1, or several")

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Note for each image and each k whether it is correct."""
        said = read_predictions(data_batch, data_samples)
        if said.scores is None:
            if self.topk != (1,):
                raise ValueError(f"topk={self.topk} needs scores; the model returned labels only, which give topk=1")
            hits = (said.labels == said.truths)[:, None]
        else:
            hits = self._hits(said.scores, said.truths)
        # Plain booleans: views of one tensor would each carry all of it when they are gathered.
        self.results.extend(hits.tolist())

    def _hits(self, scores: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
        """Of shape (N, number of ks)."""
        classes = scores.shape[1]
        if max(self.topk) > classes:
            raise ValueError(f"topk={max(self.topk)} of {classes} classes; it takes at most {classes}")
        found = scores.topk(max(self.topk), dim=1).indices == truths[:, None]
        return torch.stack([found[:, :k].any(dim=1) for k in self.topk], dim=1)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Percentages, one for each k."""
        total = max(len(results), 1)
        return {
            f"top{k}": 100 * sum(hits[position] for hits in results) / total for position, k in enumerate(self.topk)
        }


class ConfusionMatrix(BaseMetric):
    """How many images of each class are taken for which: `confusion_matrix/result`, a row for each true class.

    It takes the same outputs as `Accuracy`.

    Args:
        num_classes: How many rows and columns there are; by default the data set's classes, or else the largest label's.
        collect_device: Where results travel when several processes gather them.
        prefix: Put before every name, as `prefix/name`; by default `confusion_matrix`.
    """

    default_prefix: ClassVar[str | None] = "confusion_matrix"
    yields: ClassVar[tuple[str, ...]] = ("result",)

    def __init__(
        self,
        num_classes: Annotated[int, Interval(ge=1)] | None = None,
        collect_device: Literal["cpu", "gpu"] = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.num_classes = num_classes

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Note for each image its true and its predicted class."""
        said = read_predictions(data_batch, data_samples)
        self.results.extend(torch.stack([said.truths, said.labels], dim=1).tolist())

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Count: `result[true][predicted]`.

        Raises:
            ValueError: If a label is not below the number of classes.
        """
        size = self.num_classes or self._known_classes() or 1 + max((max(pair) for pair in results), default=-1)
        matrix = [[0] * size for _ in range(size)]
        for true, predicted in results:
            if not (0 <= true < size and 0 <= predicted < size):
                raise ValueError(f"an image of class {true} is taken for {predicted}; num_classes is {size}")
            matrix[true][predicted] += 1
        return {"result": matrix}

    def _known_classes(self) -> int | None:
        classes = (self.dataset_meta or {}).get("classes")
        return len(classes) if classes else None
