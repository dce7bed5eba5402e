"""Images in folders, a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import PIL.Image
from torch.utils.data import Dataset

from runner.kinds import Slot
from runner_vision.errors import DatasetError
from runner_vision.transforms.compose import composed

__all__ = ["IMG_EXTENSIONS", "ImageFolder"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class ImageFolder(Dataset[tuple[Any, Any]]):
    """Images that lie at `root/CLASS/…/NAME.png`, labelled by their class's place in the sorted list of folders.

    An item is (image, label): a PIL image in RGB, or what `transform` makes of it, and a number from 0.

    Args:
        root: The folder that holds a folder for each class.
        transform: What is done to each image when it is read: transforms, first to last.
        target_transform: What is done to each label when it is read.
        extensions: Which files are images, by how their names end, in whatever case.
        allow_empty: Accept a class without an image; without it, that is an error.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Annotated[Callable[[Any], Any] | Sequence[Any] | None, Slot("transform")] = None,
        target_transform: Callable[[int], Any] | None = None,
        extensions: Sequence[str] = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"),
        allow_empty: bool = False,
    ) -> None:
        self.root = Path(root)
        self.transform = composed(transform)
        self.target_transform = target_transform
        self.extensions = tuple(extension.lower() for extension in extensions)
        self.classes = _classes(self.root)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for name, label in self.class_to_idx.items():
            files = sorted(_files(self.root / name, self.extensions))
            if not files and not allow_empty:
                raise DatasetError(
                    f"{self.root / name}: no file ends in one of {', '.join(self.extensions)}; "
                    "put images there, remove the folder, or set allow_empty"
                )
            self.samples += [(file, label) for file in files]
        self.targets = [label for _, label in self.samples]

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """File and label of every image; torchvision's other name for `samples`."""
        return self.samples

    @property
    def metainfo(self) -> dict[str, Any]:
        """The names of the classes, in the order of the labels."""
        return {"classes": tuple(self.classes)}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        file, label = self.samples[index]
        with Path(file).open("rb") as stream, PIL.Image.open(stream) as opened:
            image: Any = opened.convert("RGB")
        target: Any = label
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(label)
        return image, target


def _classes(root: Path) -> list[str]:
    if not root.is_dir():
        raise DatasetError(
            f"{root.absolute()}: no such folder; ImageFolder takes one that holds a folder for each class"
        )
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not names:
        raise DatasetError(f"{root.absolute()}: no folder in it; ImageFolder takes a folder for each class there")
    return names


def _files(folder: Path, extensions: tuple[str, ...]) -> list[str]:
    return [
        str(Path(parent) / name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.lower().endswith(extensions)
    ]
