"""What a classifier said about a batch, whichever way it was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Predictions", "images_of", "read_predictions"]

_LABEL_KEYS = ("gt_label", "labels", "label", "targets", "target")
_IMAGE_KEYS = ("inputs", "images", "image", "imgs", "img")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What was said about N images.

    Attributes:
        scores: Of shape (N, classes); None where the model only says the class.
        labels: The predicted classes, of shape (N,).
        truths: The true classes, of shape (N,).
    """

    scores: torch.Tensor | None
    labels: torch.Tensor
    truths: torch.Tensor


def read_predictions(data_batch: Any, data_samples: Sequence[Any]) -> Predictions:
    """Read a classifier's outputs.

    Args:
        data_batch: The batch: (images, labels), or a mapping that has `labels`. Needed where the outputs have no
            `gt_label`.
        data_samples: For each image a mapping with `pred_score` (a number for each class) or `pred_label`; or only a
            tensor of scores; or only a label.

    Raises:
        ValueError: If the outputs or the labels are something else.
    """
    samples = list(data_samples)
    if samples and all(isinstance(sample, Mapping) for sample in samples):
        scores = _stacked([sample["pred_score"] for sample in samples if "pred_score" in sample])
        said = [sample.get("pred_label") for sample in samples]
        truths = [sample.get("gt_label") for sample in samples]
    else:
        rows = torch.stack([torch.as_tensor(sample) for sample in samples])
        scores, said = (rows, []) if rows.ndim == 2 else (None, list(rows))
        truths = []
    if scores is not None and (scores.ndim != 2 or len(scores) != len(samples)):
        raise ValueError(f"pred_score has the shape {tuple(scores.shape[1:])}; it takes one number for each class")
    labels = scores.argmax(dim=1) if scores is not None else _labels(said, "pred_label")
    true = _labels(truths if truths and truths[0] is not None else _batch_labels(data_batch), "the true label")
    if len(true) != len(labels):
        raise ValueError(f"the model said {len(labels)} labels for a batch of {len(true)}")
    return Predictions(scores=scores, labels=labels, truths=true.to(labels.device))


def images_of(data_batch: Any) -> Any:
    """The images of a batch, to be indexed: of (images, labels), or of a mapping that has `inputs`."""
    return _entry(data_batch, 0, _IMAGE_KEYS, "images")


def _batch_labels(data_batch: Any) -> Any:
    return _entry(data_batch, 1, _LABEL_KEYS, "labels")


def _entry(data_batch: Any, position: int, keys: tuple[str, ...], what: str) -> Any:
    if isinstance(data_batch, Mapping):
        found = next((key for key in keys if key in data_batch), None)
        if found is not None:
            return data_batch[found]
        raise ValueError(f"the batch has {sorted(data_batch)} and no {what}; it takes one of {', '.join(keys)}")
    if isinstance(data_batch, (list, tuple)) and len(data_batch) > position:
        return data_batch[position]
    raise ValueError(f"the batch is a {type(data_batch).__name__} without {what}; it takes (images, labels)")


def _stacked(rows: list[Any]) -> torch.Tensor | None:
    return torch.stack([torch.as_tensor(row) for row in rows]) if rows else None


def _labels(values: Any, what: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.reshape(-1)
    if not values or any(value is None for value in values):
        raise ValueError(f"{what} is missing; the model returns `pred_score` or `pred_label` for each image")
    return torch.stack([torch.as_tensor(value).reshape(()) for value in values])
