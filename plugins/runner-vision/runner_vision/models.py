"""A small convolutional classifier."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from runner.kinds import Interval, Slot
from runner.model import BaseModel

__all__ = ["SmallConvNet"]


class SmallConvNet(BaseModel):
    """Two stages of two 3 x 3 convolutions with batch norm, and a linear layer; for images of 8 x 8 pixels and more.

    The second stage works at half the resolution with twice the channels. What it sees is averaged over a grid of 2 x 2,
    so that images of any size fit.

    In mode `loss` it returns `loss`, the mean cross entropy; in mode `predict` a mapping for each image with `pred_score`
    (a probability for each class), `pred_label` and, where labels are given, `gt_label`; in mode `tensor` the logits.

    Args:
        num_classes: How many classes there are.
        in_channels: How many channels an image has: 1 for grey, 3 for colour.
        width: Channels of the first stage.
        dropout: How much of the linear layer's input is dropped in training, from 0 to 1.
        label_smoothing: How much of each label is spread evenly over all classes, from 0 to 1.
        data_preprocessor: Moves a batch to the model's device and normalizes it; None is `BaseDataPreprocessor`.
    """

    def __init__(
        self,
        num_classes: Annotated[int, Interval(ge=2)] = 10,
        in_channels: Annotated[int, Interval(ge=1)] = 1,
        width: Annotated[int, Interval(ge=1)] = 32,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        data_preprocessor: Annotated[dict[str, Any] | nn.Module | None, Slot("data_preprocessor")] = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.label_smoothing = label_smoothing
        self.features = nn.Sequential(
            _convolution(in_channels, width),
            _convolution(width, width),
            nn.MaxPool2d(2),
            _convolution(width, 2 * width),
            _convolution(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(2 * width * 4, num_classes))

    def forward(  # type: ignore[override] # the base class leaves the batch's form to the model
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor | None = None,
        mode: Literal["loss", "predict", "tensor"] = "tensor",
    ) -> Any:
        """Classify a batch.

        Args:
            inputs: Images of shape (N, C, H, W), float.
            labels: N numbers from 0; `loss` needs them.
            mode: What to return; see the class.

        Raises:
            ValueError: If there are no labels to compute a loss with.
        """
        logits = self.classifier(self.features(inputs))
        if mode == "tensor":
            return logits
        if mode == "loss":
            if labels is None:
                raise ValueError("mode 'loss' needs labels; the data set gives (image, label)")
            return {"loss": cross_entropy(logits, labels, label_smoothing=self.label_smoothing)}
        scores = logits.softmax(dim=1)
        predictions = [{"pred_score": score, "pred_label": score.argmax()} for score in scores]
        if labels is not None:
            for prediction, label in zip(predictions, labels, strict=True):
                prediction["gt_label"] = label
        return predictions


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
