"""Writing a local file so that it is never seen half written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(filepath: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name in the file's folder; what is written there takes the file's place at the end.

    The content is flushed before it is renamed, and the folder afterwards. If the block fails, the file is as it was.
    A link is followed, and an existing file's permissions are kept.

    Args:
        filepath: The file. Its folder is made where there is none.
    """
    target = Path(os.path.realpath(filepath))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can't open folders, and keeps names safe by itself.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
