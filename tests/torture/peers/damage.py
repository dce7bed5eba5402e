"""What is done to checkpoints, and whether one is whole."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import torch

__all__ = ["Evil", "digests", "flip", "is_whole", "largest", "payloads", "speak", "truncate"]

PACKED = {".pth", ".ckpt", ".pt", ".bin"}
"""Files that torch writes, which are zip archives."""


class Evil:
    """A pickle of it makes a file where it is loaded.

    Args:
        sentinel: The file.
    """

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> Any:
        return (exec, (f"open({str(self.sentinel)!r}, 'w').close()",))


def payloads(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint, which is one or a folder of them."""
    if checkpoint.is_dir():
        return sorted(path for path in checkpoint.iterdir() if path.is_file())
    return [checkpoint]


def is_whole(checkpoint: Path, like: Path | None) -> bool:
    """Whether a checkpoint is all there.

    Args:
        checkpoint: A file or a folder.
        like: A whole one, whose files it has to have.
    """
    files = payloads(checkpoint)
    if like is not None and like.is_dir():
        missing = {path.name for path in payloads(like)} - {path.name for path in files}
        if missing:
            return False
    return all(_is_whole(path) for path in files)


def _is_whole(path: Path) -> bool:
    if path.suffix in PACKED:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    if path.suffix == ".safetensors":
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        if len(content) < 8 + length:
            return False
        tensors = json.loads(content[8 : 8 + length])
        return len(content) == 8 + length + max(
            each["data_offsets"][1] for name, each in tensors.items() if name != "__metadata__"
        )
    return path.stat().st_size > 0


def largest(checkpoint: Path) -> Path:
    """The largest file of a checkpoint."""
    return max(payloads(checkpoint), key=lambda path: path.stat().st_size)


def truncate(path: Path, draw: random.Random) -> str:
    """Cut a file off; says where."""
    size = path.stat().st_size
    kept = draw.randrange(size)
    with path.open("r+b") as file:
        file.truncate(kept)
    return f"{path.name} at {kept} of {size} bytes"


def flip(path: Path, draw: random.Random) -> str:
    """Flip a bit; says which."""
    place, bit = draw.randrange(path.stat().st_size), draw.randrange(8)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))
    return f"{path.name}: bit {bit} of byte {place}"


def speak(path: Path, sentinel: Path) -> None:
    """Put code, as a string, where a checkpoint says what config it is of."""
    content = torch.load(path, weights_only=False)
    code = f"open({str(sentinel)!r}, 'w').close()\n"
    content["meta"] |= {"config": code, "cfg": code}
    torch.save(content, path)


def digests(paths: list[Path]) -> dict[str, str]:
    """What files hold."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
