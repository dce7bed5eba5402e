"""The source text of Python's own standard library, in pieces of equal length."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch.utils.data import Dataset

from runner.kinds import Interval
from runner.registry import DATASETS


@DATASETS.register_module()
class StandardLibrary(Dataset[dict[str, torch.Tensor]]):
    """ASCII text of the modules that lie directly in the standard library's folder, one after the other.

    Args:
        split: `train` takes the first nineteen of twenty characters, `val` the rest.
        context: Characters that the model sees at once.
        shift: Whether each piece begins at a place of its own by up to a piece's length, drawn anew each time.
    """

    def __init__(
        self,
        split: Literal["train", "val"] = "train",
        context: Annotated[int, Interval(ge=1)] = 128,
        shift: bool = False,
    ) -> None:
        folder = Path(sysconfig.get_path("stdlib"))
        text = b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))
        characters = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        characters = characters[characters < 128]
        cut = len(characters) * 19 // 20
        self.characters = characters[:cut] if split == "train" else characters[cut:]
        self.context = context
        self.shift = shift

    def __len__(self) -> int:
        # A piece less, so that there is room to shift, and a character more to predict.
        return len(self.characters) // self.context - 2

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        # torch's generator is keyed for each fetch: a resumed run draws the same shift, with any number of workers.
        start = index * self.context + (int(torch.randint(self.context, ())) if self.shift else 0)
        piece = self.characters[start : start + self.context + 1].long()
        return {"inputs": piece[:-1], "targets": piece[1:]}
