"""Which distribution offers a name that is not installed: so that the error can say what to install."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.plugin.models import THIRD_PARTY as MODELS
from runner.plugin.optimizers import THIRD_PARTY as OPTIMIZERS

__all__ = ["PROVIDERS"]

_NAMES = {
    "runner-streaming": ("TarShards",),
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
    {
        name: distribution
        for table in (OPTIMIZERS, MODELS, _NAMES)
        for distribution, names in table.items()
        for name in names
    }
)
"""Component name to the distribution that is known to offer it."""
