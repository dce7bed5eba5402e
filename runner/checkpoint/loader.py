"""Reads checkpoints, ours and foreign ones, without running anything that is in them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from runner.checkpoint.inert import decode_numpy, stand_in
from runner.checkpoint.place import Url, is_remote
from runner.checkpoint.remote import downloaded
from runner.checkpoint.safetensors_file import is_safetensors, read_header, read_safetensors
from runner.checkpoint.shares import RUN_FILE, Target, is_folder_of_shares, read_shares
from runner.errors import CheckpointError, DamagedCheckpoint

__all__ = ["load", "read_meta"]

MapLocation: TypeAlias = str | torch.device | dict[str, str] | Callable[[Any, str], Any] | None

ZIP_START: Final = b"PK\x03\x04"
LEGACY_START: Final = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: a pickled magic number."""
LOOKALIKES: Final = (
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself with `git lfs pull`"),
    (b"<", "a web page; the download gave an error page in place of the file"),
    (b"\x80", "a pickle that torch.save did not write; load it where it was made and save it with torch.save"),
    (b"", "empty; writing it was interrupted"),
)
MAX_FOREIGN_NAMES: Final = 200
"""A legacy file tells one foreign name at a time; no real one has as many."""

_NOT_ALLOWED = re.compile(r"GLOBAL (\S+) was not an allowed global")
_BLOCKED = re.compile(r"unsupported GLOBAL (\S+) whose module \S+ is blocked")
_FILLED_LIKE_A_MAPPING = re.compile(r"Can only SETITEMS? for .* but got <class '([^']+)'>")
_FILLED_LIKE_A_LIST = re.compile(r"Can only (?:append to|extend) lists, but got <class '([^']+)'>")


def load(path: str | PathLike[str], map_location: MapLocation = "cpu", target: Target | None = None) -> dict[str, Any]:
    """Read a checkpoint; nothing that it names is imported or called.

    Whatever is no plain data and no tensor becomes an `Inert` record; NumPy's scalars and arrays become Python's
    numbers and tensors.

    Args:
        path: A file that `torch.save` wrote, by whatever framework, or one of safetensors: its weights are `state_dict`,
            the texts of its header `meta`. An address (`s3://…`, `https://…`) is downloaded.
        map_location: Where the tensors go, as for `torch.load`.
        target: For a folder of shares: tells which spread tensors they will go into, as `read_shares` has it.

    Raises:
        CheckpointError: There is no such file, it is no checkpoint, or it names what runs commands.
        DamagedCheckpoint: It was a checkpoint and cannot be read.
    """
    if is_remote(path):
        with downloaded(Url(str(path))) as there:
            return load(there, map_location, target)
    file = Path(path)
    if is_folder_of_shares(file):
        return read_shares(file, load(file / RUN_FILE), target)
    kind = _check_start(file)
    if kind == "safetensors":
        weights, texts = read_safetensors(file, _device(map_location))
        return {"meta": texts, "state_dict": weights}
    shapes = dict.fromkeys(_foreign_names(file), "object") if kind == "zip" else {}
    content = _read(file, map_location, shapes, mmap=False)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{file} holds an object of type {type(content).__name__} where a checkpoint is a mapping; "
            "save {'state_dict': model.state_dict()}"
        )
    return content


def read_meta(path: str | PathLike[str]) -> dict[str, Any]:
    """Return a checkpoint's `meta` and the names of its parts, under `keys`, without reading its tensors.

    Args:
        path: A file that `torch.save` wrote.

    Raises:
        CheckpointError: As `load` does.
    """
    file = Path(path) / RUN_FILE if is_folder_of_shares(Path(path)) else Path(path)
    kind = _check_start(file)
    if kind == "safetensors":
        return {**read_header(file), "keys": ["meta", "state_dict"]}
    is_zip = kind == "zip"
    shapes = dict.fromkeys(_foreign_names(file), "object") if is_zip else {}
    content = _read(file, "cpu", shapes, mmap=is_zip)
    meta = content.get("meta") if isinstance(content, dict) else None
    keys = list(content) if isinstance(content, dict) else []
    return {**(meta if isinstance(meta, dict) else {}), "keys": keys}


def _device(map_location: MapLocation) -> str:
    """Where safetensors are read to; what maps storages one by one has no meaning there, and they go to the CPU."""
    return str(map_location) if isinstance(map_location, (str, torch.device)) else "cpu"


def _check_start(file: Path) -> Literal["zip", "legacy", "safetensors"]:
    """What the file begins like; an error where it is no checkpoint of any age."""
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: there is no such checkpoint") from error
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}") from error
    if start.startswith(ZIP_START):
        return "zip"
    if start.startswith(LEGACY_START):
        return "legacy"
    if is_safetensors(start):
        return "safetensors"
    if not start.strip(b"\0"):
        raise DamagedCheckpoint(f"{file} holds nothing; writing it was interrupted")
    for beginning, guess in LOOKALIKES:
        if start.lstrip().startswith(beginning) and beginning:
            raise CheckpointError(f"{file} is no checkpoint but {guess}")
    raise CheckpointError(f"{file} is no checkpoint: torch.save did not write it; it begins with {start[:16]!r}")


def _foreign_names(file: Path) -> list[str]:
    """The classes and functions that a zip archive names and torch does not read by itself."""
    with _as_checkpoint_error(file):
        return get_unsafe_globals_in_checkpoint(str(file))


def _read(file: Path, map_location: MapLocation, shapes: dict[str, str], *, mmap: bool) -> Any:
    """Read a file, learning from each refusal which name it has yet to replace, and by what."""
    while len(shapes) <= MAX_FOREIGN_NAMES:
        try:
            classes: list[Any] = [stand_in(name, shape) for name, shape in shapes.items()]
            with safe_globals(classes):
                content = torch.load(file, map_location=map_location, weights_only=True, mmap=mmap)
        except pickle.UnpicklingError as error:
            if not _learn(str(error), shapes):
                raise _explain(file, error) from error
        except _READ_ERRORS as error:
            raise _explain(file, error) from error
        else:
            return decode_numpy(content) if shapes else content
    raise CheckpointError(f"{file} names more than {MAX_FOREIGN_NAMES} classes; it is no checkpoint of a model")


def _learn(refusal: str, shapes: dict[str, str]) -> bool:
    """Take up what a refusal says; whether there was anything new in it."""
    for pattern, shape in ((_FILLED_LIKE_A_MAPPING, "mapping"), (_FILLED_LIKE_A_LIST, "list")):
        found = pattern.search(refusal)
        if found and shapes.get(found[1]) == "object":
            shapes[found[1]] = shape
            return True
    found = _NOT_ALLOWED.search(refusal)
    if not found:
        return False
    # torch leaves the module out for builtins.
    name = found[1] if "." in found[1] else f"builtins.{found[1]}"
    if name in shapes:
        return False
    shapes[name] = "object"
    return True


_READ_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OSError,
    ImportError,
)
"""What torch's reader raises, by what is wrong with the bytes."""


@contextmanager
def _as_checkpoint_error(file: Path) -> Iterator[None]:
    try:
        yield
    except (pickle.UnpicklingError, *_READ_ERRORS) as error:
        raise _explain(file, error) from error


def _explain(file: Path, error: Exception) -> CheckpointError:
    text = str(error)
    blocked = _BLOCKED.search(text)
    if blocked:
        return CheckpointError(
            f"{file} names {blocked[1]}, which runs commands and has no place in a checkpoint; it was not loaded, and "
            "whoever made it should be asked"
        )
    if "torchscript" in text.lower():
        return CheckpointError(f"{file} is a TorchScript archive; save the model's state_dict instead")
    reason = text.strip().splitlines()[-1] if text.strip() else type(error).__name__
    return DamagedCheckpoint(f"{file} cannot be read, its bytes are not those of a whole checkpoint: {reason}")
