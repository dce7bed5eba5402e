"""CIFAR-10, from its published files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import PIL.Image
from torch.utils.data import Dataset

from runner.errors import StorageError
from runner.fileio import load_plain_pickle
from runner.kinds import Slot
from runner_vision.datasets.archive import Archive, unpacked
from runner_vision.errors import DatasetError
from runner_vision.transforms.compose import composed

__all__ = ["CIFAR10"]

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS = 3 * 32 * 32

_PYTHON = Archive(
    file="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test=("test_batch",),
)
_BINARY = Archive(
    file="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test=("test_batch.bin",),
)


class CIFAR10(Dataset[tuple[Any, Any]]):
    """60,000 colour photographs of 32 x 32 pixels in ten classes, read from the published files.

    An item is (image, label): a PIL image in RGB, or what `transform` makes of it, and 0 to 9.

    `root` holds the folder `cifar-10-batches-py` or `cifar-10-batches-bin`, or one of the archives
    `cifar-10-python.tar.gz` and `cifar-10-binary.tar.gz`, which is then unpacked beside itself.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
    https://www.cs.toronto.edu/~kriz/cifar.html.

    Args:
        root: The folder that holds the data.
        train: The 50,000 images to train on; without it, the 10,000 to test on.
        transform: What is done to each image when it is read: transforms, first to last.
        target_transform: What is done to each label when it is read.
        download: Accepted as torchvision's: what lies in `root` is used, and nothing is ever fetched.
    """

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Annotated[Callable[[Any], Any] | Sequence[Any] | None, Slot("transform")] = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root)
        self.train = train
        self.transform = composed(transform)
        self.target_transform = target_transform
        self.download = download
        self.data, self.targets = _read(self.root, train=train)
        self.classes = list(_CLASSES)
        self.class_to_idx = {name: label for label, name in enumerate(_CLASSES)}

    @property
    def metainfo(self) -> dict[str, Any]:
        """The names of the classes, in the order of the labels."""
        return {"classes": _CLASSES}

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = PIL.Image.fromarray(self.data[index])
        label: Any = self.targets[index]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label


def _read(root: Path, *, train: bool) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Images of shape (N, 32, 32, 3), bytes, and N labels."""
    for archive, read in ((_PYTHON, _read_python), (_BINARY, _read_binary)):
        folder = unpacked(root, archive)
        if folder is not None:
            parts = [read(folder / name) for name in (archive.train if train else archive.test)]
            pixels = np.concatenate([part for part, _ in parts])
            labels = [label for _, part in parts for label in part]
            return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels
    raise DatasetError(
        f"CIFAR-10 is not in {root.absolute()}. Expected there: the folder {_PYTHON.folder} with {_PYTHON.listed}; "
        f"or the folder {_BINARY.folder} with {_BINARY.listed}; or one of the archives {_PYTHON.file} and "
        f"{_BINARY.file}. Nothing is downloaded: fetch an archive from https://www.cs.toronto.edu/~kriz/cifar.html "
        "into that folder, or set `root` to where it lies"
    )


def _read_python(file: Path) -> tuple[np.ndarray[Any, Any], list[int]]:
    try:
        # CIFAR's were written by Python 2: latin1 keeps the bytes of its text as they are.
        batch = load_plain_pickle(file.read_bytes(), name=str(file), encoding="latin1")
    except StorageError as error:
        raise DatasetError(f"{error}. Fetch the archive again from where CIFAR is published") from error
    pixels, labels = (batch.get("data"), batch.get("labels")) if isinstance(batch, dict) else (None, None)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise DatasetError(f"{file}: no batch of CIFAR-10: 'data' is not an array of bytes of shape (N, {_PIXELS})")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise DatasetError(f"{file}: no batch of CIFAR-10: 'labels' is not a list of {len(pixels)} numbers")
    return pixels, _checked(labels, file)


def _read_binary(file: Path) -> tuple[np.ndarray[Any, Any], list[int]]:
    """A file is a row of records: one byte for the label, 1,024 for red, for green and for blue."""
    content = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    if content.size == 0 or content.size % (1 + _PIXELS):
        raise DatasetError(f"{file}: {content.size} bytes are no whole number of records of {1 + _PIXELS} bytes")
    records = content.reshape(-1, 1 + _PIXELS)
    return records[:, 1:], _checked(records[:, 0].tolist(), file)


def _checked(labels: list[Any], file: Path) -> list[int]:
    wrong = next((label for label in labels if not isinstance(label, int) or not 0 <= label < len(_CLASSES)), None)
    if wrong is not None:
        raise DatasetError(f"{file}: a label is {wrong!r}; CIFAR-10 has 0 to {len(_CLASSES) - 1}")
    return labels
