"""Image datasets, transforms, a small classifier and its metrics, as a plugin of yaml-runner.

plugin.py       what is offered under which name; imports nothing heavy
datasets/       Digits, CIFAR10, ImageFolder
transforms/     torchvision's transforms under torchvision's names
models.py       SmallConvNet
metrics.py      Accuracy, ConfusionMatrix
loops.py        KFoldTrainLoop
hooks.py        MisclassifiedHook
errors.py       what can go wrong with data on a disk
"""

from __future__ import annotations

__version__ = "0.1.0"
