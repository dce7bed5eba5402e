"""What a store asks of the folder that its checkpoints lie in, and the folder of a file system that gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from runner.checkpoint.index import TEMPORARY_PATTERN, TEMPORARY_SUFFIX, flush_folder, temporary, write_text
from runner.checkpoint.place import Place
from runner.checkpoint.shares import delete, is_folder_of_shares, size_of

__all__ = ["LocalFolder", "Storage", "is_checkpoint"]

_ASIDE: Final = f".aside{TEMPORARY_SUFFIX}"
"""What is behind the hidden name of a folder of shares while another one takes its place."""


class Storage(Protocol):
    """A folder, by the names of what lies in it. A checkpoint is a file, or a folder of shares.

    What can't be read is a `StorageError` or an `OSError`, what is not there a `FileNotFoundError`.

    Attributes:
        folder: The place.
        names_first: Whether the index names a checkpoint before it gets its name, as is right where that takes no time
            and is done in one step; otherwise after it.
    """

    @property
    def folder(self) -> Place:
        """The place."""
        ...

    @property
    def names_first(self) -> bool:
        """Whether the index names a checkpoint first."""
        ...

    def names(self) -> set[str]:
        """The names of all that is there whole and could be a checkpoint."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a checkpoint of a name."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a checkpoint; of a folder of shares, those that its digest covers."""
        ...

    def modified(self, name: str) -> int:
        """When it was written, in nanoseconds."""
        ...

    def local(self, name: str) -> Path:
        """A checkpoint as a file, or folder, of this machine; it is there until the next is asked for."""
        ...

    def read_text(self, name: str) -> str:
        """A small file."""
        ...

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file in one step; it is safe when this returns."""
        ...

    def part(self, name: str) -> Path:
        """Where a checkpoint is written before it gets its name; on this machine."""
        ...

    def prepare(self, part: Path) -> None:
        """Make the folder, and clear away what killed saves left behind, but for `part`."""
        ...

    def publish(self, part: Path, name: str) -> None:
        """Give what was written its name, whole or not at all; it is safe when this returns."""
        ...

    def delete(self, name: str) -> None:
        """Delete a checkpoint, if there is one."""
        ...

    def claim(self) -> str | None:
        """Begin to write here, to the exclusion of others as far as that can be had; who else may be writing, in words."""
        ...

    def release(self) -> None:
        """Write here no more."""
        ...


class LocalFolder:
    """A folder of a file system; a work directory's lock is `lock.py`'s.

    Args:
        folder: The folder; it is made by the first save.
    """

    names_first = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> set[str]:
        """The names of all that could be a checkpoint."""
        if not self.folder.is_dir():
            return set()
        named = {path.name for path in self.folder.iterdir() if not path.name.startswith(".") and is_checkpoint(path)}
        return named | self._stepped_aside().keys()

    def has(self, name: str) -> bool:
        """Whether there is a file, or a folder of shares, under a name."""
        return is_checkpoint(self.local(name))

    def size(self, name: str) -> int:
        """Bytes of a checkpoint."""
        return size_of(self.local(name))

    def modified(self, name: str) -> int:
        """When it was written, in nanoseconds."""
        return self.local(name).stat().st_mtime_ns

    def local(self, name: str) -> Path:
        """The checkpoint itself; or what stepped aside for another one that did not come."""
        path, aside = self.folder / name, self._aside(name)
        return aside if not path.exists() and is_checkpoint(aside) else path

    def _aside(self, name: str) -> Path:
        return self.folder / f".{name}{_ASIDE}"

    def _stepped_aside(self) -> dict[str, Path]:
        """The folders of shares whose place was to be taken, and is empty, by their names."""
        asides = {path.name[1 : -len(_ASIDE)]: path for path in self.folder.glob(f".*{_ASIDE}")}
        return {name: path for name, path in asides.items() if self.local(name) == path}

    def read_text(self, name: str) -> str:
        """A small file."""
        return (self.folder / name).read_text(encoding="utf-8")

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file in one step, and flush it."""
        write_text(self.folder / name, text)

    def part(self, name: str) -> Path:
        """A hidden name in the same folder."""
        return temporary(self.folder / name)

    def prepare(self, part: Path) -> None:
        """Make the folder, and clear away what killed saves left behind; into `part` ranks may have written already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, path in self._stepped_aside().items():
            path.replace(self.folder / name)
        for leftover in self.folder.glob(TEMPORARY_PATTERN):
            if leftover != part:
                delete(leftover)

    def publish(self, part: Path, name: str) -> None:
        """Rename, and make sure that the name is on the disk."""
        path = self.folder / name
        if part.is_dir() and path.exists():
            # A folder takes no other's place in one step. After a kill between the two the old one is read where it is.
            aside = self._aside(name)
            path.replace(aside)
            part.replace(path)
            delete(aside)
        else:
            part.replace(path)
        flush_folder(self.folder)

    def delete(self, name: str) -> None:
        """Delete a checkpoint, if there is one."""
        delete(self.local(name))

    def claim(self) -> str | None:
        """Nothing: the work directory is locked."""
        return None

    def release(self) -> None:
        """Nothing."""


def is_checkpoint(path: Path) -> bool:
    """Whether there is a file, or a folder of shares, under a name."""
    return path.is_file() or is_folder_of_shares(path)
