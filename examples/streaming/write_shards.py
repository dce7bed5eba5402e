"""Write scikit-learn's handwritten digits as tar shards in WebDataset's format, with an index.

    python examples/streaming/write_shards.py [FOLDER]

Any data set becomes shards like this: a sample is some files of one name, and a shard is a tar file of samples. Real shards
are larger: a hundred megabytes to a gigabyte each, and at least as many as there are readers.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import PIL.Image
from sklearn.datasets import load_digits
from webdataset import TarWriter

from runner_streaming.index import write_index

IN_A_SHARD = 100


def write(folder: Path) -> None:
    """Write the shards; every fifth digit is for validation."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = load_digits(return_X_y=True)
    numbers = np.arange(len(labels))
    for split, chosen in (("train", numbers[numbers % 5 != 0]), ("val", numbers[numbers % 5 == 0])):
        for shard, start in enumerate(range(0, len(chosen), IN_A_SHARD)):
            with TarWriter(str(folder / f"{split}-{shard:03d}.tar"), mtime=0) as tar:
                for number in chosen[start : start + IN_A_SHARD]:
                    tar.write(
                        {
                            "__key__": f"{number:06d}",
                            "png": png(images[number]),
                            "cls": str(labels[number]).encode(),
                        }
                    )
        samples = write_index(f"{folder}/{split}-*.tar", f"{folder}/{split}.json")
        sys.stdout.write(f"{folder}/{split}.json: {samples} samples in shards of {IN_A_SHARD}\n")


def png(brightness: np.ndarray) -> bytes:
    """An image of 64 numbers from 0 to 16."""
    file = io.BytesIO()
    PIL.Image.fromarray((brightness.reshape(8, 8) * (255 / 16)).astype(np.uint8)).save(file, "png")
    return file.getvalue()


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "data/digits-shards"))
