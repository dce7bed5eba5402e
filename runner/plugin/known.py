"""Which distribution offers a name that is not installed: so that the error can say what to install."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.plugin.optimizers import THIRD_PARTY

__all__ = ["PROVIDERS"]

_NAMES = {
    "runner-vision": (
        "Accuracy",
        "CIFAR10",
        "CenterCrop",
        "ColorJitter",
        "ConfusionMatrix",
        "Digits",
        "Grayscale",
        "ImageFolder",
        "KFoldTrainLoop",
        "MisclassifiedHook",
        "Normalize",
        "Pad",
        "RandomCrop",
        "RandomErasing",
        "RandomHorizontalFlip",
        "RandomResizedCrop",
        "RandomRotation",
        "RandomVerticalFlip",
        "Resize",
        "SmallConvNet",
        "ToTensor",
    ),
}

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {name: distribution for distribution, names in {**THIRD_PARTY, **_NAMES}.items() for name in names}
)
"""Component name to the distribution that is known to offer it."""
