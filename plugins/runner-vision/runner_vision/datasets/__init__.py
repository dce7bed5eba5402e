"""Image data sets: items are (image, label)."""

from __future__ import annotations

from runner_vision.datasets.cifar10 import CIFAR10
from runner_vision.datasets.digits import Digits
from runner_vision.datasets.folder import ImageFolder

__all__ = ["CIFAR10", "Digits", "ImageFolder"]
