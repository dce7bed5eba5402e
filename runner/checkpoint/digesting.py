"""Digests a file while it is written."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["DigestingStream"]


class DigestingStream:
    """Takes what torch writes, in the order in which it is written, and digests it on the way.

    A failure to write is kept until torch is done: its C++ writer answers an exception within with one of its own that
    hides the cause, or by ending the process.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._failure: OSError | None = None
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """Write bytes, unless that has failed before."""
        length = memoryview(data).nbytes
        if self._failure is None:
            self.sha256.update(data)
            self.size += length
            try:
                self._stream.write(data)
            except OSError as error:
                self._failure = error
        return length

    def flush(self) -> None:
        """Flush, unless writing has failed before."""
        if self._failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._failure = error

    def finish(self) -> None:
        """Flush; raise what went wrong while writing."""
        self.flush()
        if self._failure is not None:
            raise self._failure
