"""What model.py imports from its own folder."""

from __future__ import annotations

from torch import nn


def body(width: int) -> nn.Sequential:
    """A small perceptron with dropout."""
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 3))
