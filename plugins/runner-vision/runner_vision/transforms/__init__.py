"""torchvision's transforms under torchvision's names, with torchvision's arguments and draws.

A transform is a callable from image to image, a PIL image or a tensor. It composes in Python
(`Compose([RandomCrop(32, padding=4), ToTensor()])`) as well as in a data set's `transform` in YAML. What is random is
drawn from torch's global generator, in the order in which torchvision draws.
"""

from __future__ import annotations

from runner_vision.transforms import functional
from runner_vision.transforms.color import ColorJitter, Grayscale
from runner_vision.transforms.compose import Compose
from runner_vision.transforms.conversion import Normalize, ToTensor
from runner_vision.transforms.crop import CenterCrop, RandomCrop, RandomResizedCrop
from runner_vision.transforms.erasing import RandomErasing
from runner_vision.transforms.functional.image import InterpolationMode
from runner_vision.transforms.geometry import (
    Pad,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from runner_vision.transforms.loading import LoadImage
from runner_vision.transforms.views import TestTimeAug

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Grayscale",
    "InterpolationMode",
    "LoadImage",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "TestTimeAug",
    "ToTensor",
    "functional",
]
