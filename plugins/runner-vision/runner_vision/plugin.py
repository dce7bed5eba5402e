"""What this distribution offers. Nothing heavy is imported here: the names are enough until a run builds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner import hookimpl

if TYPE_CHECKING:
    from runner.plugin import Registration


@hookimpl
def runner_register(catalog: Registration) -> None:
    """Declare every component of this distribution."""
    catalog.dataset("CIFAR10", "runner_vision.datasets.cifar10:CIFAR10")
    catalog.dataset("Digits", "runner_vision.datasets.digits:Digits")
    catalog.dataset("ImageFolder", "runner_vision.datasets.folder:ImageFolder")
    catalog.model("SmallConvNet", "runner_vision.models:SmallConvNet")
    catalog.tta_model("AverageClsScoreTTA", "runner_vision.tta:AverageClsScoreTTA")
    catalog.metric("Accuracy", "runner_vision.metrics:Accuracy")
    catalog.metric("ConfusionMatrix", "runner_vision.metrics:ConfusionMatrix")
    catalog.loop("KFoldTrainLoop", "runner_vision.loops:KFoldTrainLoop")
    catalog.hook("MisclassifiedHook", "runner_vision.hooks:MisclassifiedHook")
    catalog.transform("CenterCrop", "runner_vision.transforms.crop:CenterCrop")
    catalog.transform("ColorJitter", "runner_vision.transforms.color:ColorJitter")
    catalog.transform("Compose", "runner_vision.transforms.compose:Compose")
    catalog.transform("Grayscale", "runner_vision.transforms.color:Grayscale")
    catalog.transform("LoadImage", "runner_vision.transforms.loading:LoadImage")
    catalog.transform("Normalize", "runner_vision.transforms.conversion:Normalize")
    catalog.transform("Pad", "runner_vision.transforms.geometry:Pad")
    catalog.transform("RandomCrop", "runner_vision.transforms.crop:RandomCrop")
    catalog.transform("RandomErasing", "runner_vision.transforms.erasing:RandomErasing")
    catalog.transform("RandomHorizontalFlip", "runner_vision.transforms.geometry:RandomHorizontalFlip")
    catalog.transform("RandomResizedCrop", "runner_vision.transforms.crop:RandomResizedCrop")
    catalog.transform("RandomRotation", "runner_vision.transforms.geometry:RandomRotation")
    catalog.transform("RandomVerticalFlip", "runner_vision.transforms.geometry:RandomVerticalFlip")
    catalog.transform("Resize", "runner_vision.transforms.geometry:Resize")
    catalog.transform("TestTimeAug", "runner_vision.transforms.views:TestTimeAug")
    catalog.transform("ToTensor", "runner_vision.transforms.conversion:ToTensor")
