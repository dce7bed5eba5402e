"""Whether two runs left the same behind, bit for bit."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from runner import read_scalars

__all__ = ["differences", "resumable", "step_of"]

_MEASURED = re.compile(r"\.(cfg|experiment_name)$|(^|[./])(time|data_time|memory|eta)\b|runtime_info\.(iter|epoch)$")
"""What is measured rather than computed, names the folder, or is written anew before each step and when training begins."""

_TIMES = {"time", "data_time", "memory"}


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two work directories: the checkpoints there are, what is in them, and every logged scalar."""
    names, others = ({path.name for path in folder.glob("*.pth")} for folder in (one, other))
    found = [f"only one has {name}" for name in sorted(names ^ others)]
    for name in sorted(names & others):
        found += [f"{name}: {path}" for path in _differing(_content(one / name), _content(other / name), "")]
    rows, other_rows = _scalars(one), _scalars(other)
    for key in sorted(rows.keys() | other_rows.keys()):
        if rows.get(key) != other_rows.get(key):
            found.append(f"scalars of {key[0]} step {key[1]}: {rows.get(key)} and {other_rows.get(key)}")
    return found


def resumable(work_dir: Path) -> list[tuple[int, str]]:
    """The whole checkpoints with an optimizer's state by their steps, found without the store and its index."""
    found = []
    for path in work_dir.glob("*.pth"):
        with zipfile.ZipFile(path) as archive:  # a file that is not whole has no final name
            assert archive.testzip() is None, f"{path} is damaged"
        content = torch.load(path, weights_only=True, mmap=True)
        if "optimizer" in content:
            found.append((content["meta"]["iter"], path.name))
    return sorted(found)


def step_of(output: str) -> int | None:
    """The iteration that a launch says it resumed from; None if it began afresh."""
    match = re.search(r"resumed from .*?: epoch \d+, iteration (\d+)", output)
    return int(match[1]) if match else None


def _content(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def _scalars(work_dir: Path) -> dict[tuple[str, int], str]:
    """The whole log; as text, so that what is no number equals itself."""
    return {
        (row["mode"], row["step"]): json.dumps({key: row[key] for key in sorted(row) if key not in _TIMES})
        for row in read_scalars(work_dir)
    }


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if _MEASURED.search(path):
        return
    if type(one) is not type(other):
        yield f"{path}: {type(one).__name__} and {type(other).__name__}"
    elif isinstance(one, (dict, list, tuple)):
        yield from _differing_parts(_parts(one), _parts(other), path)
    elif not _are_equal(one, other):
        yield path if isinstance(one, torch.Tensor) else f"{path}: {one!r} and {other!r}"


def _parts(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value))


def _differing_parts(one: dict[Any, Any], other: dict[Any, Any], path: str) -> Iterator[str]:
    for key in [*one, *(key for key in other if key not in one)]:
        place = f"{path}.{key}"
        if key in one and key in other:
            yield from _differing(one[key], other[key], place)
        elif not _MEASURED.search(place):
            yield f"{place}: only in one"


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and _bytes(one) == _bytes(other)
    if isinstance(one, str):  # a file lies in another folder
        return Path(one).name == Path(other).name
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
