"""Inputs with what was predicted written on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runner.errors import RunnerError
from runner.visualization import Visualizer
from runner.visualization.png import encode_png

__all__ = ["caption", "captioned", "drawn", "labelled"]

_LEAST = 256
"""Pixels of a drawn image's shorter side: a smaller one is enlarged, so that the words fit."""


def drawn(
    inputs: Sequence[Any],
    predictions: Sequence[Mapping[str, Any]],
    *,
    show: bool = False,
    wait_time: float = 0,
    folder: str | None = None,
) -> list[np.ndarray[Any, Any]]:
    """Draw predictions on their inputs.

    Args:
        inputs: Image files, PIL images, or arrays of bytes of shape (H, W) or (H, W, 3).
        predictions: What was predicted, as plain data.
        show: Whether a window shows each.
        wait_time: Seconds that it stays; 0 waits for a key.
        folder: Where PNG files are written, named after the inputs' files or by number.

    Returns:
        The pictures, of shape (H, W, 3).

    Raises:
        RunnerError: An input is no image.
    """
    pictures = []
    for number, (value, prediction) in enumerate(zip(inputs, predictions, strict=True)):
        picture = captioned(_pixels(value), prediction)
        pictures.append(picture)
        name = Path(value).stem if isinstance(value, (str, Path)) else str(number)
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{name}.png").write_bytes(encode_png(picture))
        if show:
            visualizer: Any = Visualizer()
            visualizer.show(picture, win_name=name, wait_time=wait_time)
    return pictures


def captioned(image: np.ndarray[Any, Any], prediction: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """An image, enlarged where it is small, with its prediction written on it.

    Args:
        image: Of shape (H, W, 3), bytes.
        prediction: What was predicted, as plain data.
    """
    visualizer: Any = Visualizer()
    visualizer.set_image(_enlarged(image))
    visualizer.draw_texts(caption(prediction), np.array([[4, 4]]), colors="r")
    picture: np.ndarray[Any, Any] = visualizer.get_image()
    return picture


def labelled(prediction: dict[str, Any], classes: Any) -> dict[str, Any]:
    """A prediction with `pred_class`, the name of its `pred_label`, where the classes' names are known."""
    label = prediction.get("pred_label")
    if isinstance(label, int) and not isinstance(label, bool) and classes and 0 <= label < len(classes):
        return {**prediction, "pred_class": str(classes[label])}
    return prediction


def caption(prediction: Mapping[str, Any]) -> str:
    """A prediction in a few words: the class with its score, else every number that it holds."""
    label = prediction.get("pred_class", prediction.get("pred_label"))
    if label is not None:
        scores = prediction.get("pred_score")
        return f"{label}: {max(scores):.2f}" if isinstance(scores, list) and scores else str(label)
    numbers = {key: value for key, value in prediction.items() if isinstance(value, (bool, int, float, str))}
    return ", ".join(
        f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}" for key, value in numbers.items()
    )


def _pixels(value: Any) -> np.ndarray[Any, Any]:
    """Bytes of shape (H, W, 3)."""
    if isinstance(value, (str, Path)):
        from PIL import Image

        with Path(value).open("rb") as stream, Image.open(stream) as opened:
            return np.asarray(opened.convert("RGB"))
    array = np.asarray(value)
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {1, 3})):
        raise RunnerError(f"an input of shape {array.shape} and {array.dtype} is no image; nothing can be drawn on it")
    return np.repeat(array.reshape(*array.shape[:2], -1), 3 if array.ndim == 2 or array.shape[2] == 1 else 1, axis=2)


def _enlarged(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    factor = max(1, -(-_LEAST // min(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
