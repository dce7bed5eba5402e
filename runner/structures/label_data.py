"""`LabelData`: what holds for the whole sample."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.structures.base_data_element import BaseDataElement

__all__ = ["LabelData"]


class LabelData(BaseDataElement):
    """Labels of the whole sample.

    Args:
        metainfo: Metainfo by name; it is copied.
        **kwargs: Data fields by name.
    """

    @staticmethod
    def onehot_to_label(onehot: Tensor) -> Tensor:
        """The classes that a vector of zeros and ones names.

        Args:
            onehot: (classes,), with values from 0 to 1.

        Returns:
            (labels,), integers.
        """
        if not isinstance(onehot, Tensor):
            raise TypeError(f"onehot_to_label: a {type(onehot).__name__} is given where a tensor is needed")
        if onehot.ndim != 1 or onehot.max().item() > 1 or onehot.min().item() < 0:
            raise ValueError(
                f"onehot_to_label: a vector of values from 0 to 1 is needed, not one of {tuple(onehot.shape)}"
            )
        return onehot.nonzero().squeeze(-1)

    @staticmethod
    def label_to_onehot(label: Tensor, num_classes: int) -> Tensor:
        """A vector with ones at the classes, of the labels' type.

        Args:
            label: (labels,), integers below `num_classes`.
            num_classes: The vector's length.
        """
        if not isinstance(label, Tensor):
            raise TypeError(f"label_to_onehot: a {type(label).__name__} is given where a tensor is needed")
        largest = int(label.max()) if label.numel() else -1
        if largest >= num_classes:
            raise ValueError(f"label_to_onehot: there is a label {largest}, and num_classes is {num_classes}")
        onehot = label.new_zeros((num_classes,))
        onehot[label.to(torch.int64)] = 1
        return onehot
