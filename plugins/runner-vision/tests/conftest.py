from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

PER_BATCH = 6
"""Images in each of the files that the tests write; the published ones have 10,000."""


@pytest.fixture(autouse=True)
def seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def cifar_batches() -> dict[str, tuple[np.ndarray, list[int]]]:
    """Six batches of pixels (N, 3072) and labels, by the published files' names."""
    random = np.random.RandomState(7)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    return {
        name: (
            random.randint(0, 256, size=(PER_BATCH, 3072)).astype(np.uint8),
            [int(label) for label in random.randint(0, 10, PER_BATCH)],
        )
        for name in names
    }


@pytest.fixture
def write_python(cifar_batches):
    """Writes `cifar-10-batches-py` as it is published: pickles of protocol 2 whose text is bytes."""

    def write(root: Path, protocol: int = 2) -> Path:
        folder = root / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        for name, (pixels, labels) in cifar_batches.items():
            batch = {
                "batch_label": f"batch {name}",
                "labels": labels,
                "data": pixels,
                "filenames": [f"image_{number}.png" for number in range(len(labels))],
            }
            (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
        meta = {"num_cases_per_batch": PER_BATCH, "label_names": ["airplane"], "num_vis": 3072}
        (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))
        return folder

    return write


@pytest.fixture
def write_binary(cifar_batches):
    """Writes `cifar-10-batches-bin` as it is published: a byte for the label, then 3,072 for the pixels."""

    def write(root: Path) -> Path:
        folder = root / "cifar-10-batches-bin"
        folder.mkdir(parents=True)
        for name, (pixels, labels) in cifar_batches.items():
            records = np.concatenate([np.array(labels, dtype=np.uint8)[:, None], pixels], axis=1)
            (folder / f"{name}.bin").write_bytes(records.tobytes())
        (folder / "batches.meta.txt").write_text("airplane\nautomobile\n")
        return folder

    return write


@pytest.fixture
def pack():
    """Makes a .tar.gz of a folder and removes the folder, as a person has it after fetching the archive."""

    def pack_(folder: Path, archive: str) -> Path:
        file = folder.parent / archive
        with tarfile.open(file, "w:gz") as tar:
            tar.add(folder, arcname=folder.name)
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()
        return file

    return pack_
