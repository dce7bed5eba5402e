"""Merging what a classifier says about several views of an image."""

from __future__ import annotations

from typing import Any

import torch

from runner.model import BaseTTAModel

__all__ = ["AverageClsScoreTTA"]


class AverageClsScoreTTA(BaseTTAModel):
    """The mean of the views' scores decides.

    The model returns a mapping with `pred_score` (a number for each class) for each image; `gt_label` is kept.

    Args:
        module: The classifier.
        data_preprocessor: Takes the place of the one in `module`, where that is a mapping.
    """

    def merge_preds(self, data_samples_list: list[Any]) -> list[dict[str, Any]]:
        """Average the scores of each image's views."""
        merged = []
        for views in data_samples_list:
            score = torch.stack([view["pred_score"] for view in views]).mean(dim=0)
            merged.append({**views[0], "pred_score": score, "pred_label": score.argmax()})
        return merged
