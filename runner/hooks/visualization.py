"""Predictions drawn on their images while a model is validated or tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from runner.hooks.hook import Hook
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["VisualizationHook"]


class VisualizationHook(Hook):
    """Draws predictions on the images of some batches, in validations and tests.

    Mappings (as classifiers return them) are drawn as a caption; a data element is drawn by the visualizer's
    `add_datasample`. The pictures go to the visualizer's backends, and to `out_dir`. Only rank 0 draws.

    Args:
        enable: Whether anything is drawn.
        interval: Draw the samples of every so manyth batch, the first one on.
        show: Open a window for each picture.
        out_dir: A folder that gets a PNG file for each picture too.
        wait_time: Seconds that a window stays; 0 waits for a key.
    """

    def __init__(
        self,
        enable: bool = False,
        interval: Annotated[int, Interval(ge=1)] = 5000,
        show: bool = False,
        out_dir: str | None = None,
        wait_time: Annotated[float, Interval(ge=0)] = 0,
    ) -> None:
        self.enable = enable
        self.interval = interval
        self.show = show
        self.out_dir = out_dir
        self.wait_time = wait_time

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw a batch of a validation."""
        self._draw(runner, f"val_{runner.iter}", batch_idx, data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw a batch of a test."""
        self._draw(runner, "test", batch_idx, data_batch, outputs)

    def _draw(self, runner: Runner, phase: str, batch_idx: int, data_batch: Any, outputs: Any) -> None:
        if not self.enable or runner.rank != 0 or batch_idx % self.interval != 0:
            return
        from runner.visualization.batch import samples_of

        loop = runner.test_loop if phase == "test" else runner.val_loop
        metainfo = getattr(loop.dataloader.dataset, "metainfo", None) if loop is not None else None
        classes = metainfo.get("classes") if isinstance(metainfo, Mapping) else None
        outputs = outputs or ()
        for number, (shown, output) in enumerate(zip(samples_of(data_batch, outputs), outputs, strict=True)):
            name = f"{phase}_{batch_idx}_{number}"
            picture = self._picture(runner, name, shown.image, output, classes)
            if self.out_dir is not None:
                from runner.visualization.png import encode_png

                Path(self.out_dir).mkdir(parents=True, exist_ok=True)
                Path(self.out_dir, f"{name}.png").write_bytes(encode_png(picture))

    def _picture(self, runner: Runner, name: str, image: Any, sample: Any, classes: Any) -> np.ndarray[Any, Any]:
        from runner.infer.drawing import captioned, labelled
        from runner.infer.plain import plain

        visualizer: Any = runner.visualizer
        if not isinstance(sample, (Mapping, torch.Tensor, int)):
            visualizer.add_datasample(name, image, sample, show=self.show, wait_time=self.wait_time, step=runner.iter)
            drawn: np.ndarray[Any, Any] = visualizer.get_image()
            return drawn
        made = plain(sample)
        made = made if isinstance(made, dict) else {"pred_label" if isinstance(made, int) else "pred_score": made}
        picture = captioned(image, labelled(made, classes))
        if self.show:
            visualizer.show(picture, win_name=name, wait_time=self.wait_time)
        visualizer.add_image(name, picture, step=runner.iter)
        return picture
