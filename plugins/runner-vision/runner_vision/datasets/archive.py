"""Unpacking a published archive beside itself, no more of it than is needed."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runner_vision.errors import DatasetError

__all__ = ["Archive", "unpacked"]

_LARGEST_MEMBER = 1 << 28
"""No file of a known archive is near 256 MiB; one that claims to be is no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A published archive.

    Attributes:
        file: The archive's own name.
        folder: The folder that it holds.
        train: Names of the files in it to train on.
        test: Names of the files in it to test on.
    """

    file: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The names of all files, for a message."""
        return ", ".join((*self.train, *self.test))


def unpacked(root: Path, archive: Archive) -> Path | None:
    """The archive's folder in `root`, unpacked where only the archive lies there; None where neither does.

    Raises:
        DatasetError: If the folder or the archive is not whole.
    """
    folder = root / archive.folder
    if not folder.is_dir():
        if not (root / archive.file).is_file():
            return None
        _unpack(root / archive.file, folder, archive)
    missing = [name for name in (*archive.train, *archive.test) if not (folder / name).is_file()]
    if missing:
        raise DatasetError(f"{folder.absolute()}: {', '.join(missing)} missing; unpack {archive.file} there again")
    return folder


def _unpack(file: Path, folder: Path, archive: Archive) -> None:
    """Unpack into a folder of another name and rename it: nobody sees half of it, whoever else unpacks meanwhile."""
    wanted = {f"{archive.folder}/{name}" for name in (*archive.train, *archive.test)}
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{archive.folder}-", dir=folder.parent))
    except OSError as error:
        raise DatasetError(f"{file} cannot be unpacked beside itself ({error}); unpack it yourself") from error
    try:
        with tarfile.open(file, "r:gz") as tar:
            for member in tar:
                if member.name.removeprefix("./") in wanted and member.isfile() and member.size <= _LARGEST_MEMBER:
                    tar.extract(member, temporary, filter="data")
        (temporary / archive.folder).rename(folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        # Another process of the same run may have been first.
        if not folder.is_dir():
            raise DatasetError(f"{file}: cannot be unpacked ({error}); fetch it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
