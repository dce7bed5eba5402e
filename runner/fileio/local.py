"""Files on this machine's disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from runner.fileio.atomic import replacing
from runner.fileio.backend import BaseStorageBackend, PathLike, check_listing

__all__ = ["LocalBackend"]


class LocalBackend(BaseStorageBackend):
    """Files on this machine's disks. What is written is on the disk, whole, when a method returns."""

    _allow_symlink: ClassVar[bool] = True

    def get(self, filepath: PathLike) -> bytes:
        """The file's bytes."""
        return _path(filepath).read_bytes()

    def get_text(self, filepath: PathLike, encoding: str = "utf-8") -> str:
        """The file's text."""
        return _path(filepath).read_text(encoding=encoding)

    def put(self, obj: bytes, filepath: PathLike) -> None:
        """Replace the file in one step: under its name stands the old content or the new, never half of it."""
        with replacing(_path(filepath)) as part:
            part.write_bytes(obj)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        return _path(filepath).exists()

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        return _path(filepath).is_dir()

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file."""
        return _path(filepath).is_file()

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """The parts as one path, as `os.path.join` does it: an absolute part drops those before it."""
        return os.path.join(filepath, *filepaths)  # noqa: PTH118 - pathlib drops a leading `./` and a slash at the end

    @contextmanager
    def get_local_path(self, filepath: PathLike) -> Iterator[PathLike]:
        """The path itself."""
        yield filepath if "://" not in str(filepath) else str(_path(filepath))

    def copyfile(self, src: PathLike, dst: PathLike) -> str:
        """Copy a file with its permissions; into `dst` where that is a folder. Returns the new file."""
        target = _path(dst)
        if target.is_dir():
            target /= _path(src).name
        if target.exists() and target.samefile(_path(src)):
            raise shutil.SameFileError(f"{src} and {dst} are the same file")
        with replacing(target) as part:
            shutil.copyfile(_path(src), part)
        shutil.copymode(_path(src), target)
        return str(target)

    def copytree(self, src: PathLike, dst: PathLike) -> str:
        """Copy a folder to a name that is free. Returns the new folder."""
        return str(shutil.copytree(_path(src), _path(dst)))

    copyfile_from_local = copyfile
    copytree_from_local = copytree
    copyfile_to_local = copyfile
    copytree_to_local = copytree

    def remove(self, filepath: PathLike) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is none.
            IsADirectoryError: It is a folder; `rmtree` deletes those.
        """
        path = _path(filepath)
        if path.is_dir():
            raise IsADirectoryError(f"{filepath} is a folder; rmtree deletes folders")
        path.unlink()

    def rmtree(self, dir_path: PathLike) -> None:
        """Delete a folder and all that is in it."""
        shutil.rmtree(_path(dir_path))

    def copy_if_symlink_fails(self, src: PathLike, dst: PathLike) -> bool:
        """Link `dst` to `src`, or copy where the system refuses; whether it was linked."""
        try:
            _path(dst).symlink_to(_path(src))
        except OSError:
            return super().copy_if_symlink_fails(src, dst)
        return True

    def list_dir_or_file(
        self,
        dir_path: PathLike,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """What is in a folder, relative to it, in the order of names; files whose name begins with a dot are left out.

        Args:
            dir_path: The folder.
            list_dir: Give folders.
            list_file: Give files.
            suffix: Give only files that end so; it needs `list_dir=False`.
            recursive: Go into folders.
        """
        check_listing(list_dir, suffix)
        return _listed(_path(dir_path), "", list_dir, list_file, suffix, recursive)


def _listed(
    root: Path, below: str, list_dir: bool, list_file: bool, suffix: str | tuple[str, ...] | None, recursive: bool
) -> Iterator[str]:
    with os.scandir(root / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        relative = os.path.join(below, entry.name)  # noqa: PTH118 - a text is given
        if entry.is_dir():
            if list_dir:
                yield relative
            if recursive:
                yield from _listed(root, relative, list_dir, list_file, suffix, recursive)
        elif list_file and entry.is_file() and not entry.name.startswith(".") and relative.endswith(suffix or ""):
            yield relative


def _path(filepath: PathLike) -> Path:
    return Path(filepath.removeprefix("file://")) if isinstance(filepath, str) else Path(filepath)
