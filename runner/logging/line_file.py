"""A file to which whole lines are appended, so that a kill loses at most the last one."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LineFile"]


class LineFile:
    """Appends lines to a file, each in one write that reaches the system at once.

    The file and its folder are made with the first line. A line that an earlier process left unfinished is ended
    first, so that it spoils no other. After `close` the next line opens the file again.

    Args:
        path: The file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def append(self, line: str) -> None:
        """Append a line; it is given without its end."""
        if self._descriptor is None:
            self._descriptor = self._open()
        os.write(self._descriptor, f"{line}\n".encode())

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        if os.lseek(descriptor, 0, os.SEEK_END) > 0:
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":
                os.write(descriptor, b"\n")
        return descriptor

    def close(self) -> None:
        """Close the file until the next line."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()
