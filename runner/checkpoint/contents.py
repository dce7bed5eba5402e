"""What lies in a folder of checkpoints, and whether it holds the bytes that were written."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.checkpoint.index import Record, read_index
from runner.checkpoint.loader import load, read_meta
from runner.checkpoint.place import Place, Url, place
from runner.checkpoint.remote import open_folder
from runner.checkpoint.shares import digest_of, verify_folder
from runner.checkpoint.storage import Storage
from runner.errors import CheckpointError, DamagedCheckpoint

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Contents", "OnDamage"]

SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt"})
"""What a file is called that is taken for a checkpoint though the index does not know it."""

OnDamage: TypeAlias = Callable[[str], object]


class Contents:
    """The checkpoints that one folder has, read; `CheckpointStore` adds choosing and writing.

    Args:
        folder: Where they lie, a path or an address (`s3://bucket/run`); it is created by the first save.
        on_damage: Is told of each damaged file that is come across, in a sentence that names it.
        backend_args: What the driver of a remote store needs; by default it looks for itself.
        staging: For an address: a folder of this machine in which checkpoints are written before they are uploaded.

    Attributes:
        storage: What reads and writes there.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | Url,
        on_damage: OnDamage | None = None,
        *,
        backend_args: Mapping[str, Any] | None = None,
        staging: Path | None = None,
    ) -> None:
        self.storage = open_folder(folder, backend_args, staging)
        self._backend_args = backend_args
        self._protocol = self.folder.protocol if isinstance(self.folder, Url) else None
        self._on_damage = on_damage
        self._neighbour: Self | None = None

    @property
    def folder(self) -> Place:
        """Where they lie."""
        return self.storage.folder

    def is_empty(self) -> bool:
        """Whether there is nothing here that could be a checkpoint."""
        there = self.storage.names()
        known = read_index(self.storage, self._on_damage) if there else {}
        return not any(name in known or _looks_like_one(name) for name in there)

    def entries(self, unreadable: list[tuple[Place, str]] | None = None) -> list[tuple[Place, Record | None]]:
        """Return all that could be a checkpoint, the newest first; those that the index does not know without a record.

        Args:
            unreadable: Takes the files that do not even say which step they are of, and why.
        """
        return list(self._candidates(unreadable if unreadable is not None else []))

    def verify(self, path: str | os.PathLike[str] | Url) -> None:
        """Check that a checkpoint holds the bytes that were written.

        By the digest in the index, which covers every byte; a file that the index does not know by its zip archive's
        own checksums, which cover the content.

        Args:
            path: A checkpoint of this folder, or one elsewhere.

        Raises:
            DamagedCheckpoint: It does not.
            CheckpointError: There is no such file.
        """
        file = place(path)
        storage = self.beside(file.parent).storage
        if not storage.has(file.name):
            raise CheckpointError(f"{file}: there is no such checkpoint")
        records = read_index(storage, self._on_damage).get(file.name)
        if records is None:
            with _named(file, storage):
                _verify_by_itself(storage.local(file.name))
            return
        size = storage.size(file.name)
        if not any(record.size == size for record in records):
            sizes = " or ".join(str(record.size) for record in records)
            raise DamagedCheckpoint(f"{file} is damaged: it has {size} bytes, {sizes} were written")
        digest = digest_of(storage.local(file.name))
        if not any(record.sha256 == digest for record in records):
            raise DamagedCheckpoint(f"{file} is damaged: its SHA-256 is not that of the bytes that were written")

    def local(self, path: str | os.PathLike[str] | Url) -> Path:
        """Return a checkpoint as a file, or folder, of this machine; it is there until the next is asked for.

        Args:
            path: A checkpoint of this folder, or one elsewhere.

        Raises:
            CheckpointError: There is no such file.
        """
        file = place(path)
        try:
            return self.beside(file.parent).storage.local(file.name)
        except FileNotFoundError as error:
            raise CheckpointError(f"{file}: there is no such checkpoint") from error

    def size(self, path: Place) -> int:
        """Return how many bytes a checkpoint of this folder has.

        Args:
            path: The checkpoint.
        """
        return self.storage.size(path.name)

    def step_of(self, path: Place, record: Record | None) -> int:
        """Return the iterations that a checkpoint's run had finished; read from the file where there is no record."""
        if record is not None:
            return record.step
        step = self._meta(path).get("iter", 0)
        return step if isinstance(step, int) else 0

    def beside(self, folder: Place, on_damage: OnDamage | None = None) -> Self:
        """Return what reads a folder: this, or another that is opened with the same arguments where they fit.

        Args:
            folder: The folder.
            on_damage: Takes the place of the store's own.
        """
        if on_damage is None:
            known: Self | None
            for known in (self, self._neighbour):
                if known is not None and known.folder == folder:
                    return known
        fits = isinstance(folder, Path) or folder.protocol == self._protocol
        store = type(self)(folder, on_damage or self._on_damage, backend_args=self._backend_args if fits else None)
        if fits:
            # A path may lead back to an address, by its `last_checkpoint`.
            store._protocol = self._protocol  # noqa: SLF001 - of the same class
        if on_damage is None:
            self._neighbour = store  # which has what was downloaded last
        return store

    def _candidates(self, unreadable: list[tuple[Place, str]]) -> Iterator[tuple[Place, Record | None]]:
        """Every file that could be a checkpoint, the newest first; those not in the index without a record.

        Args:
            unreadable: Takes what is wrong with the files that do not even say which step they are of.
        """
        there = self.storage.names()
        index = read_index(self.storage, self._on_damage) if there else {}
        known = [(self.folder / name, records[0]) for name, records in index.items() if name in there]
        known.sort(key=lambda item: item[1].order, reverse=True)
        strangers: list[tuple[int, int, str]] = []
        for name in sorted(there - index.keys()):
            if _looks_like_one(name):
                try:
                    strangers.append((self.step_of(self.folder / name, None), self.storage.modified(name), name))
                except CheckpointError as error:
                    unreadable.append((self.folder / name, str(error)))
                    self._report(str(error))
        strangers.sort(reverse=True)
        while known or strangers:
            # A file that the index does not know is newer than one that it knows if it is further on and younger.
            if strangers and (not known or self._is_newer(strangers[0], known[0])):
                yield self.folder / strangers.pop(0)[2], None
            else:
                yield known.pop(0)

    def _is_newer(self, stranger: tuple[int, int, str], known: tuple[Place, Record]) -> bool:
        step, modified, _ = stranger
        path, record = known
        return step > record.step and modified >= self.storage.modified(path.name)

    def _meta(self, path: Place) -> dict[str, Any]:
        with _named(path, self.storage):
            return read_meta(self.storage.local(path.name))

    def _report(self, message: str) -> None:
        if self._on_damage is not None:
            self._on_damage(message)


def _looks_like_one(name: str) -> bool:
    return Path(name).suffix in SUFFIXES and not name.startswith(".")


_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OverflowError, OSError)
"""What Python's reader of zip archives raises, by which byte is wrong."""


@contextmanager
def _named(path: Place, storage: Storage) -> Iterator[None]:
    """Let what is wrong with a download be said of where it came from."""
    try:
        yield
    except CheckpointError as error:
        if storage.folder == path.parent and isinstance(path, Path):
            raise
        raise type(error)(str(error).replace(str(storage.local(path.name)), str(path))) from error


def _verify_by_itself(file: Path) -> None:
    """Verify a file that the index does not know."""
    if file.is_dir():
        verify_folder(file)
        return
    if not zipfile.is_zipfile(file):
        # The format before torch 1.6 has no checksums; a truncated zip archive ends up here too.
        load(file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip()
    except _ZIP_ERRORS as error:
        raise DamagedCheckpoint(f"{file} is damaged: {str(error) or type(error).__name__}") from error
    if wrong is not None:
        raise DamagedCheckpoint(f"{file} is damaged: the checksum of {wrong} within it does not match")
    read_meta(file)
