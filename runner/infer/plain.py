"""Predictions as data that JSON takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Numbers, texts, lists and mappings of tensors, arrays, data elements and what holds them.

    Args:
        value: What a model predicted; what has `to_dict` is taken as that mapping.

    Raises:
        TypeError: It holds something else; names its type.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().tolist()
    elif isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    elif hasattr(value, "to_dict"):
        value = value.to_dict()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    raise TypeError(
        f"a prediction holds a {type(value).__name__}, which is no plain data; make it a tensor or a mapping"
    )
