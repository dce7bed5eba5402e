"""Draws what a model predicts in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from runner.hooks.hook import Hook
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["NaiveVisualizationHook"]


class NaiveVisualizationHook(Hook):
    """Draws what is known of the images of a test beside what the model predicts, by the visualizer's `add_datasample`.

    Images are shown as they were before the data pipeline padded and resized them, as far as samples say so. At the start
    of a training the model is handed to the visualizer's backends (`add_graph`).

    Args:
        interval: From one batch that is drawn to the next.
        draw_gt: Draw what is known.
        draw_pred: Draw what was predicted.
    """

    priority = "NORMAL"

    def __init__(
        self, interval: Annotated[int, Interval(ge=1)] = 1, draw_gt: bool = True, draw_pred: bool = True
    ) -> None:
        if interval < 1:
            raise ValueError(f"NaiveVisualizationHook: interval must be at least 1, got {interval}")
        self._interval = interval
        self.draw_gt = draw_gt
        self.draw_pred = draw_pred

    def before_train(self, runner: Runner) -> None:
        """Hand the model to the backends."""
        runner.visualizer.add_graph(runner.unwrapped_model, None)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw a batch."""
        if not self.every_n_inner_iters(batch_idx, self._interval) or runner.rank != 0 or not outputs:
            return
        from runner.visualization.batch import samples_of

        for number, shown in enumerate(samples_of(data_batch, outputs)):
            runner.visualizer.add_datasample(
                shown.name or f"test_{batch_idx}_{number}",
                shown.image,
                shown.sample,
                draw_gt=self.draw_gt,
                draw_pred=self.draw_pred,
                step=runner.iter,
            )
