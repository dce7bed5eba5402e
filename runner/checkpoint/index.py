"""`checkpoints.json`: which bytes belong under which name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

__all__ = [
    "INDEX_NAME",
    "NOTHING",
    "TEMPORARY_PATTERN",
    "About",
    "Index",
    "Record",
    "flush_folder",
    "read_index",
    "temporary",
    "write_index",
    "write_text",
]

INDEX_NAME: Final = "checkpoints.json"
FORMAT: Final = 1
TEMPORARY_SUFFIX: Final = ".part"
TEMPORARY_PATTERN: Final = f".*{TEMPORARY_SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was written.

    Attributes:
        sha256: Digest of the file, in hexadecimal.
        size: Length of the file in bytes.
        step: Iterations that the run had finished.
        order: Counts the saves into this folder; the clock plays no part in what is newest.
        resumable: Whether it holds what a run needs to go on, and not the weights alone.
        time: When it was written, in UTC.
        metrics: What was measured with its weights, as far as that is known.
        best: The metric that it is the best checkpoint of, for the best ones.
        config: SHA-256 of the run's config, as it is in the checkpoint.
    """

    sha256: str
    size: int
    step: int
    order: int
    resumable: bool
    time: str | None = None
    metrics: dict[str, float] | None = None
    best: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the index tells about a checkpoint beside its bytes; the fields of `Record` of the same names."""

    metrics: dict[str, float] | None = None
    best: str | None = None
    config: str | None = None


NOTHING: Final = About()

Index = dict[str, list[Record]]
"""A file's name, and what may be found under it: two things while one replaces the other."""


class _Folder(Protocol):
    @property
    def folder(self) -> object: ...
    def read_text(self, name: str) -> str: ...
    def write_text(self, name: str, text: str) -> None: ...


def read_index(storage: _Folder, on_damage: Callable[[str], object] | None = None) -> Index:
    """Read a folder's index; an empty one where there is none, or none that can be trusted.

    Args:
        storage: Where the checkpoints lie.
        on_damage: Is told if the index is damaged, in a sentence that names it.
    """
    try:
        content = json.loads(storage.read_text(INDEX_NAME))
        entries = content["checkpoints"]
        if content["digest"] != _digest(entries):
            raise ValueError("its digest does not match")  # noqa: TRY301 - one place tells all kinds of damage
        return {name: [Record(**record) for record in records] for name, records in entries.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if on_damage is not None:
            on_damage(
                f"{storage.folder}/{INDEX_NAME} is damaged ({error}); the checkpoints are verified by their own checksums"
            )
        return {}


def write_index(storage: _Folder, index: Index) -> None:
    """Replace a folder's index in one step, and flush it."""
    entries = {name: [asdict(record) for record in records] for name, records in sorted(index.items())}
    content = {"format": FORMAT, "digest": _digest(entries), "checkpoints": entries}
    storage.write_text(INDEX_NAME, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a small file in one step, so that it is never seen half written, and flush it."""
    part = temporary(path)
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def temporary(path: Path) -> Path:
    """Return the name under which a file is written before it gets its own: hidden, and in the same folder."""
    return path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")


def flush_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    if os.name == "nt":  # Windows can't open folders, and keeps names safe by itself.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(entries: dict[str, Any] | Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
