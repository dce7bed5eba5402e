"""Weights as safetensors: a header and bytes, with nothing in it that could run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from runner.errors import CheckpointError, DamagedCheckpoint, RunnerError

__all__ = ["is_safetensors", "read_header", "read_safetensors", "write_safetensors"]

_LONGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""


def is_safetensors(start: bytes) -> bool:
    """Whether a file that begins so is one: the length of its header, then the header, which is JSON.

    Args:
        start: The file's first bytes, nine or more.
    """
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST_HEADER


def write_safetensors(
    state_dict: Mapping[str, Any], path: str | PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a state dict. Weights that share memory are written once for each name.

    Args:
        state_dict: Tensors by name.
        path: The file; it is there whole or not at all.
        metadata: Texts for its header.

    Raises:
        RunnerError: safetensors is missing, or an entry is no tensor.
    """
    save_file = _library().save_file
    others = [name for name, value in state_dict.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise RunnerError(f"{', '.join(others)}: safetensors holds tensors alone; leave out what is none")
    seen: set[tuple[torch.device, int]] = set()
    tensors: dict[str, torch.Tensor] = {}
    for name, value in state_dict.items():
        tensor = value.detach().cpu().contiguous()
        place = (tensor.device, tensor.untyped_storage().data_ptr())
        is_whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        tensors[name] = tensor if is_whole and place not in seen else tensor.clone()
        seen.add(place)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        save_file(tensors, partial, metadata={"format": "pt", **(metadata or {})})
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read_safetensors(path: str | PathLike[str], device: str = "cpu") -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a state dict, and the texts in the file's header.

    Args:
        path: The file.
        device: Where the tensors go.

    Raises:
        CheckpointError: There is no such file.
        DamagedCheckpoint: It can't be read.
        RunnerError: safetensors is missing.
    """
    with _opened(path, device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 - it is no mapping


def read_header(path: str | PathLike[str]) -> dict[str, str]:
    """The texts in a file's header, without its tensors.

    Args:
        path: The file.

    Raises:
        CheckpointError: As `read_safetensors`.
    """
    with _opened(path, "cpu") as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: str | PathLike[str], device: str) -> Iterator[Any]:
    _library()
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    try:
        with safe_open(path, framework="pt", device=device) as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{path} can't be read as safetensors: {error}") from error


def _library() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise RunnerError("safetensors is missing; pip install 'yaml-runner[export]'") from error
    return safetensors.torch
