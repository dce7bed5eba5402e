"""A batch's images, each with what is known and what was predicted of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import interpolate

__all__ = ["Shown", "as_image", "samples_of"]

_IMAGES = ("inputs", "images", "image", "imgs", "img")
_SAMPLES = ("data_samples", "data_sample")
_LABELS = ("labels", "label", "targets", "gt_label")


class Shown(NamedTuple):
    """One image of a batch.

    Attributes:
        name: The file that it was read from, without its folder; "" where that is not known.
        image: (H, W, 3), uint8.
        sample: What `Visualizer.add_datasample` takes.
    """

    name: str
    image: np.ndarray[Any, Any]
    sample: Any


def samples_of(data_batch: Any, outputs: Sequence[Any]) -> Iterator[Shown]:
    """The images of a batch with what the model returned for them.

    Args:
        data_batch: What the loader returned: a mapping with `inputs` (or `images`, …) and maybe `data_samples` or
            `labels`; images and labels by position; or a list of mappings, one a sample.
        outputs: What the model returned, one entry a sample.

    Raises:
        ValueError: There are no images in it.
    """
    images: Any = None
    samples: Any = None
    labels: Any = None
    if isinstance(data_batch, Sequence) and data_batch and isinstance(data_batch[0], Mapping):
        images = [_first(each, _IMAGES) for each in data_batch]
        samples = [_first(each, _SAMPLES) for each in data_batch]
        labels = [_first(each, _LABELS) for each in data_batch]
    elif isinstance(data_batch, Mapping):
        images, samples, labels = (_first(data_batch, names) for names in (_IMAGES, _SAMPLES, _LABELS))
    elif isinstance(data_batch, Sequence) and data_batch:
        images, labels = data_batch[0], data_batch[1] if len(data_batch) > 1 else None
    if images is None or any(each is None for each in images):
        raise ValueError(
            f"no images in a batch of type {type(data_batch).__name__}; it is to be (images, labels) or to have one of "
            f"the keys {', '.join(_IMAGES)}"
        )
    images = _first_view(images)
    for number, output in enumerate(outputs):
        sample = samples[number] if samples is not None else None
        label = labels[number] if labels is not None and not isinstance(labels, (str, Mapping)) else None
        facts = {**_fields(sample), **_fields(output)}
        image = _as_it_was(as_image(images[number], facts), facts)
        yield Shown(Path(str(facts.get("img_path", ""))).name, image, _joined(sample, label, output))


def _first_view(images: Any) -> Any:
    """The images as they are; where there are several views of each, the first."""
    several = isinstance(images, (list, tuple)) and images
    return images[0] if several and (isinstance(images[0], (list, tuple)) or images[0].ndim == 4) else images


def _joined(sample: Any, label: Any, output: Any) -> Any:
    """The truth and the prediction in one."""
    if hasattr(output, "metainfo_keys") and any(key.startswith("gt_") for key in _fields(output)):
        return output
    known = {key: value for key, value in _fields(sample).items() if key.startswith("gt_")}
    if not known and label is not None and np.ndim(label) == 0:
        known = {"gt_label": label}
    said = _fields(output)
    if not said:
        said = {"pred_score" if np.ndim(output) == 1 else "pred_label": output}
    elif "bboxes" in said or "masks" in said:
        said = {"pred_instances": said}
    return {**known, **said}


def as_image(pixels: Any, facts: Mapping[str, Any] | None = None) -> np.ndarray[Any, Any]:
    """A model's input as an image.

    Args:
        pixels: (C, H, W) or (H, W), a tensor or an array. Bytes stay; other numbers are put back by `img_norm_cfg` (`mean`
            and `std`, and `to_rgb` for what was turned round), else stretched from 0..1, or from their least to their
            greatest, to 0..255.
        facts: What is known of it.

    Returns:
        (H, W, 3), uint8.
    """
    values = torch.as_tensor(pixels).detach().cpu()
    values = values[None] if values.ndim == 2 else values
    if values.dtype != torch.uint8:
        values = _as_bytes(values.float(), (facts or {}).get("img_norm_cfg"))
    values = values.expand(3, -1, -1) if len(values) == 1 else values[:3]
    image: np.ndarray[Any, Any] = values.permute(1, 2, 0).contiguous().numpy()
    return image


def _as_bytes(values: torch.Tensor, norm: Any) -> torch.Tensor:
    if norm:
        mean, std = (torch.as_tensor(norm.get(key, each)).float().reshape(-1, 1, 1) for key, each in _NEUTRAL)
        values = values * std + mean
        values = values.flip(0) if norm.get("to_rgb") is False else values
    else:
        low, high = values.min(), values.max()
        low, high = (torch.tensor(0.0), torch.tensor(1.0)) if low >= 0 and high <= 1 else (low, high)
        values = (values - low) / (high - low).clamp(min=1e-12) * 255
    return values.round().clamp(0, 255).byte()


_NEUTRAL = (("mean", 0.0), ("std", 1.0))


def _as_it_was(image: np.ndarray[Any, Any], facts: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """The image without what a batch was padded by, at the size that it had before it was resized."""
    inside = facts.get("img_shape")
    if inside is not None:
        image = image[: int(inside[0]), : int(inside[1])]
    before = facts.get("ori_shape")
    if before is None or tuple(map(int, before[:2])) == image.shape[:2]:
        return image
    channels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    resized = interpolate(channels, [int(each) for each in before[:2]], mode="bilinear", align_corners=False)
    back: np.ndarray[Any, Any] = resized[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return back


def _first(mapping: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((mapping[name] for name in names if name in mapping), None)


def _fields(value: Any) -> Mapping[str, Any]:
    """What a mapping or a data element holds by name."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "metainfo_keys"):
        fields: dict[str, Any] = dict(value.all_items())
        return fields
    return {}
