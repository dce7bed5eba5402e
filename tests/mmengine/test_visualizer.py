"""The same pixels as MMEngine's visualizer draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from runner.visualization import Visualizer

theirs = pytest.importorskip("mmengine.visualization", reason="MMEngine is not installed")

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
MASKS = np.zeros((2, 60, 80), bool)
MASKS[0, 5:30, 5:40] = MASKS[1, 20:50, 30:70] = True

CALLS = {
    "points": ("draw_points", {"positions": np.array([[5, 5], [40, 30]]), "colors": ["r", (0, 9, 250)]}),
    "markers": ("draw_points", {"positions": torch.tensor([40.0, 30]), "marker": "x", "sizes": np.array([50])}),
    "texts": ("draw_texts", {"texts": ["ab", "c"], "positions": np.array([[5, 5], [40, 30]]), "colors": ["r", "g"]}),
    "texts in boxes": (
        "draw_texts",
        {
            "texts": "abc",
            "positions": np.array([30, 40]),
            "font_sizes": 12,
            "vertical_alignments": "bottom",
            "horizontal_alignments": "center",
            "bboxes": {"facecolor": "w", "alpha": 0.5},
            "font_families": "serif",
        },
    ),
    "lines": ("draw_lines", {"x_datas": np.array([[1, 70], [5, 9]]), "y_datas": np.array([[1, 50], [9, 40]])}),
    "dashes": (
        "draw_lines",
        {"x_datas": np.array([1, 70]), "y_datas": np.array([1, 50]), "line_styles": "--", "line_widths": 3},
    ),
    "circles": (
        "draw_circles",
        {"center": np.array([[30, 30], [50, 20]]), "radius": np.array([10, 5]), "face_colors": "b"},
    ),
    "boxes": ("draw_bboxes", {"bboxes": torch.tensor([[5.0, 5, 40, 30], [20, 20, 70, 50]]), "edge_colors": (9, 9, 99)}),
    "polygons": (
        "draw_polygons",
        {"polygons": [np.array([[5, 5], [40, 9], [30, 50]])], "face_colors": ["r"], "alpha": 0.3},
    ),
}


@pytest.mark.parametrize(("method", "arguments"), CALLS.values(), ids=CALLS)
def test_the_same_pixels(method: str, arguments: dict[str, Any]) -> None:
    ours, other = (getattr(cls(image=IMAGE), method)(**arguments) for cls in (Visualizer, theirs.Visualizer))
    assert np.array_equal(ours.get_image(), other.get_image())
    assert not np.array_equal(ours.get_image(), IMAGE)


def alike(ours: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """One level apart at most, since OpenCV rounds on its own."""
    return ours.shape == other.shape and int(np.abs(ours.astype(int) - other.astype(int)).max()) <= 1


def test_the_same_masks() -> None:
    for options in ({}, {"colors": ["r", (9, 99, 9)], "alphas": [0.3, 0.7]}):
        ours, other = (cls(image=IMAGE).draw_binary_masks(MASKS, **options) for cls in (Visualizer, theirs.Visualizer))
        assert alike(ours.get_image(), other.get_image())


FEATMAP = torch.randn(8, 12, 16, generator=torch.Generator().manual_seed(0))
MAPS = {
    "mean": {},
    "strongest": {"channel_reduction": "select_max"},
    "resized": {"resize_shape": (30, 44)},
    "as an image": {"channel_reduction": None, "topk": 0},
    "side by side": {"channel_reduction": None, "topk": 6, "arrangement": (2, 3)},
    "over an image": {"overlaid_image": IMAGE[:12, :16], "alpha": 0.3},
    "over a larger image": {"overlaid_image": IMAGE},
    "over a grey image, resized": {"overlaid_image": IMAGE[..., 0], "resize_shape": (30, 44)},
}


@pytest.mark.parametrize("options", MAPS.values(), ids=MAPS)
def test_the_same_feature_maps(options: dict[str, Any]) -> None:
    featmap = FEATMAP[:3] if options.get("topk") == 0 else FEATMAP
    ours, other = (cls.draw_featmap(featmap, **options) for cls in (Visualizer, theirs.Visualizer))
    difference = np.abs(ours.astype(int) - other.astype(int))
    # A value at the border of two levels may fall on either side.
    assert (difference <= 1).all() or ((difference > 1).mean() < 0.01 and difference.max() <= 5)
