"""Feature maps as images."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from runner.visualization.canvas import pixels_of
from runner.visualization.colors import jet
from runner.visualization.optional import require

__all__ = ["draw_featmap", "heat"]


def draw_featmap(
    featmap: torch.Tensor,
    overlaid_image: np.ndarray[Any, Any] | None = None,
    channel_reduction: Literal["squeeze_mean", "select_max"] | None = "squeeze_mean",
    topk: int = 20,
    arrangement: tuple[int, int] = (4, 5),
    resize_shape: tuple[int, int] | None = None,
    alpha: float = 0.5,
) -> np.ndarray[Any, Any]:
    """A feature map as an image, maybe laid over another.

    Args:
        featmap: (C, H, W).
        overlaid_image: The image below it, (H, W) or (H, W, 3), uint8; the map is brought to its size.
        channel_reduction: How channels become one: their mean (`squeeze_mean`) or the one with the largest sum
            (`select_max`); None keeps several.
        topk: Without a reduction, how many channels with the largest sums are shown side by side; 0 takes a map of one
            or three channels as an image.
        arrangement: Rows and columns of these.
        resize_shape: (H, W) that both are brought to.
        alpha: How much of the map is mixed into the image, from 0 to 1.

    Returns:
        (H, W, 3), RGB, uint8.

    Raises:
        TypeError: The map is no tensor.
        ValueError: The shapes or the options don't fit.
    """
    if not isinstance(featmap, torch.Tensor):
        raise TypeError(f"draw_featmap: featmap must be a tensor, got {type(featmap).__name__}")
    if featmap.ndim != 3:
        raise ValueError(f"draw_featmap: featmap must be of shape (C, H, W), got {tuple(featmap.shape)}")
    featmap, overlaid_image = _sized(featmap.detach().cpu(), overlaid_image, resize_shape)
    if channel_reduction == "squeeze_mean":
        return heat(featmap.mean(0).numpy(), overlaid_image, alpha)
    sums = featmap.sum(dim=(1, 2))
    if channel_reduction == "select_max":
        return heat(featmap[sums.argmax()].numpy(), overlaid_image, alpha)
    if channel_reduction is not None:
        raise ValueError(
            f"draw_featmap: channel_reduction must be 'squeeze_mean', 'select_max' or None, got {channel_reduction!r}"
        )
    if topk <= 0:
        if len(featmap) not in {1, 3}:
            raise ValueError(
                f"draw_featmap: a map of {len(featmap)} channels is no image; give channel_reduction, or topk above 0"
            )
        return heat(featmap.permute(1, 2, 0).numpy(), overlaid_image, alpha)
    rows, columns = arrangement
    if rows * columns < topk:
        raise ValueError(f"draw_featmap: an arrangement of {rows} x {columns} has no room for topk={topk}")
    chosen = sums.topk(min(len(featmap), topk)).indices
    return _side_by_side(featmap[chosen], chosen.tolist(), overlaid_image, arrangement, alpha)


def heat(
    levels: np.ndarray[Any, Any], image: np.ndarray[Any, Any] | None = None, alpha: float = 0.5
) -> np.ndarray[Any, Any]:
    """Values as the colours of a heat map, from their least to their greatest, maybe mixed with an image.

    Args:
        levels: (H, W), or (H, W, 1), or (H, W, 3), each channel of which is a value of its own.
        image: (H, W, 3), uint8.
        alpha: How much of the map is mixed in.
    """
    low, high = float(levels.min()), float(levels.max())
    scale = 255 / (high - low) if high > low else 0.0
    scaled = ((levels.astype(np.float64) - low) * scale).astype(np.uint8)
    if scaled.ndim == 3 and scaled.shape[2] == 1:
        scaled = scaled[..., 0]
    colored = jet(scaled) if scaled.ndim == 2 else _grey_jet(scaled)
    if image is None:
        return colored
    mixed: np.ndarray[Any, Any] = np.rint(image * (1 - alpha) + colored * alpha).clip(0, 255).astype(np.uint8)
    return mixed


def _grey_jet(scaled: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # The heat of an image's brightness, its channels taken for blue, green and red as OpenCV does.
    grey = scaled @ np.array([0.114, 0.587, 0.299])
    return jet(np.rint(grey).astype(np.uint8))


def _sized(
    featmap: torch.Tensor, image: np.ndarray[Any, Any] | None, shape: tuple[int, int] | None
) -> tuple[torch.Tensor, np.ndarray[Any, Any] | None]:
    """Both at the size wanted: the one asked for, or the image's."""
    if image is not None:
        image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        if image.shape[:2] != featmap.shape[1:]:
            warnings.warn(
                f"the feature map is {tuple(featmap.shape[1:])} and the image {image.shape[:2]}; the map is resized, "
                "which may not be what it shows",
                UserWarning,
                stacklevel=3,
            )
            if shape is None:
                featmap = _resized(featmap, image.shape[:2])
    if shape is not None:
        featmap = _resized(featmap, shape)
        if image is not None:
            pixels = _resized(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float(), shape)
            image = pixels.permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
    return featmap, image


def _resized(channels: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return interpolate(channels[None], list(shape), mode="bilinear", align_corners=False)[0]


def _side_by_side(
    maps: torch.Tensor,
    channels: list[int],
    image: np.ndarray[Any, Any] | None,
    arrangement: tuple[int, int],
    alpha: float,
) -> np.ndarray[Any, Any]:
    require("draw", "drawing")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    (rows, columns), (height, width) = arrangement, maps.shape[1:]
    figure = Figure(frameon=False)
    canvas = FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0, hspace=0)
    dpi = figure.get_dpi()
    figure.set_size_inches((width * columns + 1e-2) / dpi, (height * rows + 1e-2) / dpi)
    for index, channel in enumerate(channels):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.axis("off")
        axes.text(2, 15, f"channel: {channel}", fontsize=10)
        axes.imshow(heat(maps[index].numpy(), image, alpha))
    return pixels_of(canvas)
