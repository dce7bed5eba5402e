"""A checkpoint as a folder, into which each rank writes its own shares (`torch.distributed.checkpoint`).

`run.pth` holds everything but the tensors that are spread over the ranks; where they belong stands a marker with their
name. torch's own files hold those tensors, and `manifest.json` what each file is to be, by its SHA-256.

torch reads its `.metadata` by pickle, which runs what it is told to. Here it is read by a table of the few classes that
belong there, after its bytes were held against the manifest, and tensors by `weights_only`: nothing in such a folder can
run anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from runner import dist
from runner.dist.sharding import like, local, map_dtensors
from runner.errors import CheckpointError, DamagedCheckpoint

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

__all__ = [
    "MANIFEST",
    "RUN_FILE",
    "delete",
    "digest_of",
    "is_folder_of_shares",
    "markers_in",
    "read_shares",
    "read_weights",
    "size_of",
    "take_out",
    "verify_folder",
    "write_manifest",
    "write_shares",
]

RUN_FILE: Final = "run.pth"
MANIFEST: Final = "manifest.json"
METADATA: Final = ".metadata"
MARKER: Final = "in_shares"
READ_SIZE: Final = 1 << 20

Target = Callable[[tuple[Any, ...], torch.Size], "Tensor | None"]
"""Given the keys that lead to a tensor and its shape, the spread tensor that it will go into, if there is one."""


def is_folder_of_shares(path: Path) -> bool:
    """Whether a path is a checkpoint of this kind."""
    return (path / RUN_FILE).is_file()


# ---- writing ---------------------------------------------------------------------------------------------------------


def take_out(checkpoint: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Part a checkpoint into plain data with markers, and the spread tensors by name. The same on every rank."""
    tensors: dict[str, Tensor] = {}
    known: dict[tuple[Any, ...], str] = {}

    def mark(tensor: Tensor, where: tuple[Any, ...]) -> dict[str, Any]:
        share = local(tensor)
        # Tied weights are written once.
        key = (share.untyped_storage()._cdata, share.storage_offset(), tensor.shape)  # noqa: SLF001 - its identity
        if key not in known:
            name = known[key] = _free_name(".".join(map(str, where)), tensors)
            tensors[name] = tensor.detach()
        return {MARKER: known[key], "shape": tensor.shape, "dtype": tensor.dtype}

    return map_dtensors(checkpoint, mark), tensors


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "'"
    return name


def write_shares(folder: Path, tensors: dict[str, Tensor], group: ProcessGroup | None = None) -> None:
    """Write this rank's shares. Every rank calls this; the folder is made by rank 0.

    Args:
        folder: A folder that all ranks see.
        tensors: As `take_out` returns them.
        group: By which the ranks agree; None for that of all processes.

    Raises:
        OSError: Some rank could not write; on every rank.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    failure: list[str | None] = [None]
    if dist.is_main_process():
        try:
            delete(folder)
            folder.mkdir(parents=True)
        except OSError as error:
            failure[0] = str(error)
    dist.broadcast_object_list(failure, group=group)
    if failure[0] is not None:
        raise OSError(failure[0])
    try:
        save(dict(tensors), storage_writer=FileSystemWriter(folder, sync_files=True), process_group=group)
    except CheckpointException as error:
        # What torch makes of it names ranks and tracebacks; the cause is what helps.
        first = next(iter(error.failures.values()))[0]
        raise (first if isinstance(first, OSError) else OSError(str(first))) from error


def write_manifest(folder: Path) -> tuple[str, int]:
    """Say what each file of a folder is, and flush it all; the digest and the size of the whole."""
    files = {path.name: [path.stat().st_size, _digest(path)] for path in _files(folder)}
    text = json.dumps(files, indent=1, sort_keys=True) + "\n"
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        stream.write(text)
    for path in [*_files(folder), folder / MANIFEST]:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    return digest_of(folder), size_of(folder)


def _files(folder: Path) -> Iterator[Path]:
    """The files that a manifest is about."""
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST:
            yield path


# ---- verifying -------------------------------------------------------------------------------------------------------


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; of a folder, that of its files' names and digests."""
    if not path.is_dir():
        return _digest(path)
    lines = "".join(f"{each.name} {_digest(each)}\n" for each in _files(path))
    return hashlib.sha256(lines.encode()).hexdigest()


def size_of(path: Path) -> int:
    """The length of a file in bytes; of a folder, that of its files."""
    return sum(each.stat().st_size for each in _files(path)) if path.is_dir() else path.stat().st_size


def _digest(file: Path) -> str:
    sha256 = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(READ_SIZE):
            sha256.update(block)
    return sha256.hexdigest()


def verify_folder(folder: Path) -> None:
    """Check a folder's files by its own manifest.

    Raises:
        DamagedCheckpoint: A file is missing, or not what was written; it is named.
    """
    expected = _expected(folder)
    there = {path.name for path in _files(folder)}
    if there != set(expected):
        wrong = ", ".join(sorted(there ^ set(expected)))
        raise DamagedCheckpoint(f"{folder} is damaged: these files are missing or do not belong there: {wrong}")
    for name in expected:
        _verify_file(folder, name, expected)


def _expected(folder: Path) -> dict[str, tuple[int, str]]:
    """What the manifest says of each file: its length and its digest."""
    try:
        files: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {str(name): (int(size), str(sha256)) for name, (size, sha256) in files.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DamagedCheckpoint(f"{folder} is damaged: its {MANIFEST} can't be read ({error})") from error


def _verify_file(folder: Path, name: str, expected: Mapping[str, tuple[int, str]]) -> None:
    size, sha256 = expected.get(name, (-1, ""))
    if (folder / name).stat().st_size != size or _digest(folder / name) != sha256:
        raise DamagedCheckpoint(f"{folder} is damaged: {name} in it does not hold the bytes that were written")


def delete(path: Path) -> None:
    """Delete a file, or a folder with what is in it; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# ---- reading ---------------------------------------------------------------------------------------------------------


def markers_in(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Each marker in plain data, with the keys that lead to it."""
    if isinstance(value, dict):
        if MARKER in value:
            yield where, value
            return
        for key, each in value.items():
            yield from markers_in(each, (*where, key))
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from markers_in(each, (*where, number))


def read_shares(folder: Path, checkpoint: dict[str, Any], target: Target | None = None) -> dict[str, Any]:
    """Put the tensors in place of their markers.

    Args:
        folder: The checkpoint.
        checkpoint: What its `run.pth` holds.
        target: Tells into which spread tensors they will go: each rank then reads its own share alone. Without one, or
            where it knows none, the whole tensor is read.

    Raises:
        DamagedCheckpoint: The files do not hold what the markers name, or more than tensors.
    """
    tensors: dict[str, Tensor] = {}
    for where, marker in markers_in(checkpoint):
        spread = target(where, marker["shape"]) if target is not None else None
        if marker[MARKER] not in tensors:
            tensors[marker[MARKER]] = _empty(marker, spread)
    _read_into(folder, tensors)
    return _filled(checkpoint, tensors)  # type: ignore[no-any-return]  # a mapping stays one


def read_weights(folder: Path, weights: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Put weights in place of their markers, in a model's own memory where they fit: nothing is held twice.

    Args:
        folder: The checkpoint; it is verified first.
        weights: The `state_dict` of its `run.pth`.
        ours: The model's `state_dict`.

    Raises:
        DamagedCheckpoint: The files are not those that were written.
    """
    verify_folder(folder)
    tensors: dict[str, Tensor] = {}
    for where, marker in markers_in(weights):
        own = ours.get(where[0])
        fits = isinstance(own, Tensor) and own.shape == marker["shape"] and own.dtype == marker["dtype"]
        if marker[MARKER] not in tensors:
            tensors[marker[MARKER]] = own.detach() if fits and own is not None else _empty(marker, None)
    _read_into(folder, tensors)
    return _filled(weights, tensors)  # type: ignore[no-any-return]  # a mapping stays one


def _read_into(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Fill tensors from a folder's files."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # each rank reads by itself
            load(tensors, storage_reader=_reader(folder, _read_metadata(folder)), no_dist=True)
    except CheckpointError:
        raise
    except (CheckpointException, *_READ_ERRORS) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DamagedCheckpoint(f"{folder} cannot be read: {lines[-1]}") from error


_READ_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    EOFError,
    OSError,
    pickle.UnpicklingError,
)
"""What torch's reader raises, by what is wrong with the bytes."""


def _empty(marker: Mapping[str, Any], spread: Tensor | None) -> Tensor:
    if spread is None:
        return torch.empty(marker["shape"], dtype=marker["dtype"])
    share = local(spread)
    return like(torch.empty(share.shape, dtype=marker["dtype"], device=share.device), spread)


def _filled(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if MARKER in value:
            return tensors[value[MARKER]]
        filled = type(value)((key, _filled(each, tensors)) for key, each in value.items())
        if attributes := getattr(value, "__dict__", None):
            vars(filled).update(attributes)  # a state_dict's `_metadata`
        return filled
    if type(value) in {list, tuple}:
        return type(value)(_filled(each, tensors) for each in value)
    return value


def _read_metadata(folder: Path) -> Any:
    """What `.metadata` holds, if it holds what was written and what belongs there."""
    # The rest is verified with the whole folder, where a run looks for its newest checkpoint.
    _verify_file(folder, METADATA, _expected(folder))
    with (folder / METADATA).open("rb") as stream:
        found = _MetadataUnpickler(stream, folder).load()
    _check(found, folder)
    return found


def _reader(folder: Path, found: Any) -> Any:
    """What reads such folders as torch does, but for `.metadata`, which was read already."""
    from torch.distributed.checkpoint import metadata
    from torch.distributed.checkpoint.filesystem import FileSystemReader

    class Reader(FileSystemReader):
        def read_metadata(self, *args: Any, **kwargs: Any) -> metadata.Metadata:  # noqa: ARG002 - ranks have none of their own
            found.storage_meta = metadata.StorageMeta(load_id=self.load_id)
            return found  # type: ignore[no-any-return]  # checked as it was read

    return Reader(folder)


def _check(found: Any, folder: Path) -> None:
    """Refuse metadata that name other files, or anything but tensors."""
    from torch.distributed.checkpoint import metadata

    if not isinstance(found, metadata.Metadata) or not isinstance(found.storage_data, dict):
        raise DamagedCheckpoint(f"{folder}: its .metadata is not torch's")
    for name, each in found.state_dict_metadata.items():
        if not isinstance(each, metadata.TensorStorageMetadata):
            raise CheckpointError(f"{folder}: its .metadata names '{name}', which is no tensor; it was not read")
    for place in found.storage_data.values():
        if Path(place.relative_path).name != place.relative_path or getattr(place, "transform_descriptors", None):
            raise CheckpointError(f"{folder}: its .metadata leads to {place.relative_path!r}; it was not read")


class _MetadataUnpickler(pickle.Unpickler):
    """Reads pickles that are made of what a `.metadata` consists of, and nothing else.

    Args:
        stream: The file.
        folder: Where it lies, for errors.
    """

    def __init__(self, stream: IO[bytes], folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if that belongs there."""
        found = _known().get((module, name))
        if found is None:
            raise CheckpointError(
                f"{self._folder}: its .metadata names {module}.{name}, which has no place there; it was not read"
            )
        return found


def _known() -> dict[tuple[str, str], Any]:
    from torch.distributed.checkpoint import filesystem, metadata
    from torch.serialization import _get_layout

    classes = (
        metadata.ChunkStorageMetadata,
        metadata.Metadata,
        metadata.MetadataIndex,
        metadata.StorageMeta,
        metadata.TensorProperties,
        metadata.TensorStorageMetadata,
        metadata._MEM_FORMAT_ENCODING,  # noqa: SLF001 - as torch writes it
        filesystem._StorageInfo,  # noqa: SLF001
    )
    known: dict[tuple[str, str], Any] = {(each.__module__, each.__name__): each for each in classes}
    known |= {("torch", str(each).removeprefix("torch.")): each for each in _DTYPES}
    known |= {(module, "PosixPath"): PurePosixPath for module in ("pathlib", "pathlib._local")}
    return known | {
        ("torch", "Size"): torch.Size,
        ("torch.serialization", "_get_layout"): _get_layout,
        ("collections", "OrderedDict"): dict,
    }


_DTYPES: Final = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)
