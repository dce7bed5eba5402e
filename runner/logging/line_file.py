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
        mode: `a` to append to what is there, `w` to begin the file anew with the first line.
    """

    _descriptor: int | None = None

    def __init__(self, path: str | Path, mode: str = "a") -> None:
        if mode not in {"a", "w"}:
            raise ValueError(f"a file is opened to append ('a') or anew ('w'), got {mode!r}")
        self.path = Path(path)
        self._is_new = mode == "w"

    def append(self, line: str) -> None:
        """Append a line; it is given without its end."""
        if self._descriptor is None:
            self._descriptor = self._open()
        os.write(self._descriptor, f"{line}\n".encode())

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        anew = os.O_TRUNC if self._is_new else 0
        self._is_new = False
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | anew | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o666)
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
