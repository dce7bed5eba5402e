"""Data sets with annotations, and transforms, that spawned workers can import."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from runner.dataset import BaseDataset

SIZE = 12


def annotations(size=SIZE):
    return {
        "metainfo": {"classes": ["a", "b"], "from": "file"},
        "data_list": [{"img_path": f"{number}.png", "number": number, "cats": [number % 2]} for number in range(size)],
    }


class Numbers(BaseDataset):
    """Made here, without a file."""

    METAINFO: ClassVar = {"classes": ["a", "b"]}
    size = SIZE

    def load_data_list(self):
        return [{"number": number, "text": "x" * 100} for number in range(self.size)]

    def filter_data(self):
        least = (self.filter_cfg or {}).get("least", 0)
        return [sample for sample in self.data_list if sample["number"] >= least]

    def get_cat_ids(self, idx):
        number = self.get_data_info(idx)["number"]
        return [] if number == 0 else [0, 1] if number % 5 == 0 else [2 if number == 7 else 0]


class Sized(BaseDataset):
    """Of several lengths and shapes."""

    size = 23

    def load_data_list(self):
        return [
            {"number": number, "length": number * 7 % 10, "width": 3 + number % 4, "height": 3 + number * 3 % 5}
            for number in range(self.size)
        ]


class Heavy(Numbers):
    size = 20_000


def take(sample):
    return torch.tensor([sample["number"], sample["sample_idx"]])


def often_nothing(sample):
    """Gives up on half of the samples, by the toss of a coin."""
    return None if np.random.rand() < 0.5 else torch.tensor([sample["number"]])


def nothing(_sample):
    return None


def _mapping(address):
    """The kilobytes of this process's memory mapping that holds an address: shared with others, and its own."""
    found = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            found = {} if int(bounds[1], 16) <= address < int(bounds[2], 16) else None
        elif found is not None:
            name, _, value = line.partition(":")
            if name in {"Private_Dirty", "Private_Clean", "Shared_Clean", "Shared_Dirty", "Rss"}:
                found[name] = int(value.split()[0])
            if name == "VmFlags":
                return found
    raise AssertionError("the address is in no mapping")


class Measured(Heavy):
    """A sample is how much of the annotations' memory this process has for itself, in kB, once it has read all of it."""

    def __getitem__(self, index):
        for place in range(len(self)):
            self.get_data_info(place)
        memory = _mapping(self._records.data.data_ptr())
        own = memory["Private_Dirty"] + memory["Private_Clean"]
        return torch.tensor([own, memory["Rss"]])
