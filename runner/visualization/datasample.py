"""What is known of a sample and what was predicted, drawn on its image, whatever the sample is made of."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from runner.visualization.canvas import Canvas

__all__ = ["Drawn", "draw_sample", "known", "large_enough", "predicted"]

_IGNORED = 255
"""The class of pixels that belong to none, by custom."""

_ROOM = 96
"""Pixels that a class and its score take."""


class Drawn(NamedTuple):
    """What is drawn of a sample; None for what it lacks.

    Attributes:
        bboxes: (N, 4), x1, y1, x2, y2 in pixels.
        masks: (N, H, W), bool.
        labels: (N,), the class of each box or mask.
        scores: (N,), how sure each is.
        sem_seg: (H, W), the class of each pixel.
        image_labels: The classes of the image itself.
        image_scores: How sure each of them is.
    """

    bboxes: np.ndarray[Any, Any] | None = None
    masks: np.ndarray[Any, Any] | None = None
    labels: np.ndarray[Any, Any] | None = None
    scores: np.ndarray[Any, Any] | None = None
    sem_seg: np.ndarray[Any, Any] | None = None
    image_labels: np.ndarray[Any, Any] | None = None
    image_scores: np.ndarray[Any, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(each is None for each in (self.bboxes, self.masks, self.sem_seg, self.image_labels))


def known(sample: Any) -> Drawn:
    """The truth that a sample carries: `gt_instances`, `gt_sem_seg`, `gt_label`.

    Args:
        sample: A data element, a mapping, or any object with such attributes.
    """
    fields = _fields(sample)
    return _drawn(_fields(fields.get("gt_instances")), fields.get("gt_sem_seg"), fields.get("gt_label"), None)


def predicted(sample: Any) -> Drawn:
    """What a model said of a sample: `pred_instances`, `pred_sem_seg`, `pred_label` with `pred_score`.

    Args:
        sample: A data element, a mapping, or any object with such attributes; also the instances themselves (`bboxes`,
            `masks`, `labels`, `scores`), a vector of scores by class, or a class's number.
    """
    if isinstance(sample, (int, np.integer, torch.Tensor, np.ndarray)):
        return _drawn({}, None, None, sample) if np.ndim(sample) == 1 else _drawn({}, None, sample, None)
    fields = _fields(sample)
    instances = fields if "bboxes" in fields or "masks" in fields else _fields(fields.get("pred_instances"))
    return _drawn(instances, fields.get("pred_sem_seg"), fields.get("pred_label"), fields.get("pred_score"))


def _drawn(instances: Mapping[str, Any], sem_seg: Any, label: Any, score: Any) -> Drawn:
    pixels, named = _fields(sem_seg), _fields(label)
    classes = _array(pixels.get("sem_seg", pixels.get("data")) if pixels else sem_seg)
    image_labels = _array(named.get("label") if named else label)
    image_scores = _array(named.get("score", score))
    if image_labels is None and image_scores is not None:
        image_labels = image_scores.argmax()
    if image_labels is not None:
        image_labels = np.atleast_1d(image_labels)
        if image_scores is not None and image_scores.size > image_labels.size:
            image_scores = image_scores[image_labels]
    return Drawn(
        bboxes=_array(instances.get("bboxes")),
        masks=_array(instances.get("masks")),
        labels=_array(instances.get("labels")),
        scores=_array(instances.get("scores")),
        sem_seg=None if classes is None else classes.reshape(classes.shape[-2:]),
        image_labels=image_labels,
        image_scores=None if image_scores is None else np.atleast_1d(image_scores),
    )


def _fields(value: Any) -> Mapping[str, Any]:
    """What something holds by name, if it holds anything so."""
    if isinstance(value, Mapping):
        return value
    if callable(getattr(value, "to_dict", None)):
        found: Mapping[str, Any] = value.to_dict()
        return found
    if value is None or isinstance(value, (int, float, str, Sequence, torch.Tensor, np.ndarray, np.generic)):
        return {}
    return vars(value) if hasattr(value, "__dict__") else {}


def _array(value: Any) -> Any:
    """A tensor, an array or numbers as an array; boxes of a class of their own by their `tensor`."""
    if value is None:
        return None
    value = getattr(value, "tensor", value)
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def large_enough(image: np.ndarray[Any, Any], drawn: Drawn) -> np.ndarray[Any, Any]:
    """The image, a whole number of times as large where a text would not fit and nothing else is drawn.

    Args:
        image: (H, W) or (H, W, 3).
        drawn: What is drawn on it.
    """
    if drawn.bboxes is not None or drawn.masks is not None or drawn.sem_seg is not None:
        return image
    times = -(-_ROOM // min(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def draw_sample(canvas: Canvas, drawn: Drawn, dataset_meta: Mapping[str, Any] | None) -> None:
    """Draw on the image that is set.

    Args:
        canvas: Where to draw.
        drawn: What.
        dataset_meta: The names of the `classes` and, as RGB triples, their `palette`.
    """
    style = _Style(dataset_meta or {})
    if drawn.sem_seg is not None:
        present = [each for each in np.unique(drawn.sem_seg).tolist() if each != _IGNORED]
        masks = np.stack([drawn.sem_seg == each for each in present]) if present else None
        if masks is not None:
            canvas.draw_binary_masks(masks, [style.color(each) for each in present], 0.5)
    instances = next((each for each in (drawn.bboxes, drawn.masks) if each is not None), ())
    labels = [0] * len(instances) if drawn.labels is None else drawn.labels.tolist()
    colors = [style.color(each) for each in labels]
    if drawn.masks is not None and len(drawn.masks):
        canvas.draw_binary_masks(drawn.masks.astype(bool), colors, 0.5)
    if drawn.bboxes is not None and len(drawn.bboxes):
        limits = np.array([canvas.width, canvas.height, canvas.width, canvas.height]) - 1
        boxes = drawn.bboxes.clip(0, limits)
        canvas.draw_bboxes(boxes, edge_colors=colors)
        if drawn.labels is not None:
            texts = style.texts(labels, drawn.scores)
            canvas.draw_texts(texts, boxes[:, :2], colors=colors, bboxes=_BOX)
    if drawn.image_labels is not None:
        lines = style.texts(drawn.image_labels.tolist(), drawn.image_scores)
        canvas.draw_texts("\n".join(lines), np.array([1, 1]), colors="w", bboxes=_BOX)


_BOX: Any = {"facecolor": "black", "alpha": 0.7, "pad": 0.5, "edgecolor": "none"}


class _Style:
    """The names and colours of classes."""

    def __init__(self, dataset_meta: Mapping[str, Any]) -> None:
        self._classes: Sequence[str] = dataset_meta.get("classes") or ()
        self._palette: Any = dataset_meta.get("palette")

    def color(self, label: int) -> tuple[int, ...]:
        if isinstance(self._palette, Sequence) and not isinstance(self._palette, str) and label < len(self._palette):
            return tuple(self._palette[label])
        # The golden ratio's share of the circle from one class to the next keeps neighbours apart.
        channels = colorsys.hsv_to_rgb(0.33 + label * 0.618034, 0.85, 1.0)
        return tuple(round(255 * channel) for channel in channels)

    def texts(self, labels: Sequence[int], scores: np.ndarray[Any, Any] | None) -> list[str]:
        names = [self._classes[each] if each < len(self._classes) else str(each) for each in labels]
        if scores is None:
            return names
        return [f"{name}: {score:.2f}" for name, score in zip(names, scores.tolist(), strict=False)]
