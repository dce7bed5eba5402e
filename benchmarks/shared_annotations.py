"""What annotations cost in memory: as one block that workers share, and as a list that each of them comes to copy.

For each way of starting workers: the memory that one worker has to itself (USS, its private pages) after it has read
all annotations, less what it has with a data set of one sample. Linux only.

    python benchmarks/shared_annotations.py [--samples N] [--workers N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from runner.dataset import BaseDataset


class Annotated(BaseDataset):
    """Samples such as a detector's; an item is the worker's private memory in kB, once it has read all of them."""

    def __init__(self, size: int, *, serialize_data: bool) -> None:
        self.size = size
        super().__init__(serialize_data=serialize_data)

    def load_data_list(self) -> list[dict[str, object]]:
        return [
            {
                "img_path": f"images/{number:012d}.jpg",
                "height": 480,
                "width": 640,
                "instances": [{"bbox": [number * 0.5, 1.5, 20.5, each * 0.5], "bbox_label": each} for each in range(7)],
            }
            for number in range(self.size)
        ]

    def __getitem__(self, idx: int) -> torch.Tensor:
        for place in range(len(self)):
            self.get_data_info(place)
        return torch.tensor([_private()])


def _private() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def measure(size: int, *, workers: int, method: str, serialize: bool) -> float:
    """The private memory of a worker in MB, on the average."""
    dataset = Annotated(size, serialize_data=serialize)
    loader = DataLoader(
        dataset, batch_size=None, sampler=range(workers), num_workers=workers, multiprocessing_context=method
    )
    return float(torch.cat(list(loader)).float().mean()) / 1024


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    block = len(Annotated(options.samples, serialize_data=True).data_bytes) / 2**20
    sys.stdout.write(f"{options.samples} samples, {block:.0f} MB serialized; MB that each worker has to itself:\n")
    for method in ("fork", "spawn"):
        for serialize in (True, False):
            whole, least = (
                measure(size, workers=options.workers, method=method, serialize=serialize)
                for size in (options.samples, options.workers)
            )
            sys.stdout.write(f"  {method:5}  serialize_data={serialize!s:5}  {whole - least:8.1f}\n")


if __name__ == "__main__":
    main()
