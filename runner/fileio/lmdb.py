"""Values by key from an LMDB database."""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakValueDictionary

from runner.fileio.backend import BaseStorageBackend, PathLike, missing_package

__all__ = ["LmdbBackend"]

_environments: WeakValueDictionary[tuple[int, str, str], Any] = WeakValueDictionary()
"""The databases that are open."""


class LmdbBackend(BaseStorageBackend):
    """Reads values by key from an LMDB database; the path is the key.

    Args:
        db_path: The database's folder or file.
        readonly: Open it for reading only.
        lock: Lock it against other processes.
        readahead: Let the system read ahead, which helps where the database fits into memory.
        **kwargs: For `lmdb.open`.

    Raises:
        StorageError: The package lmdb is not installed.
    """

    def __init__(
        self, db_path: PathLike, readonly: bool = True, lock: bool = False, readahead: bool = False, **kwargs: Any
    ) -> None:
        try:
            import lmdb  # type: ignore[import-not-found,unused-ignore] # noqa: F401 - it may not be installed
        except ImportError as error:
            raise missing_package("the backend 'lmdb'", "lmdb") from error
        self.db_path = str(db_path)
        self.readonly = readonly
        self.lock = lock
        self.readahead = readahead
        self.kwargs = kwargs
        self._client: Any = None
        self._process = 0

    def get(self, filepath: PathLike) -> bytes:
        """The value of a key.

        Raises:
            FileNotFoundError: There is no such key.
        """
        with self._open().begin(write=False) as transaction:
            value: bytes | None = transaction.get(str(filepath).encode())
        if value is None:
            raise FileNotFoundError(f"{filepath}: {self.db_path} has no such key")
        return value

    def put(self, obj: bytes, filepath: PathLike) -> None:
        """Set a key's value; the database has to be opened with `readonly=False`."""
        with self._open().begin(write=True) as transaction:
            transaction.put(str(filepath).encode(), obj)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is such a key."""
        with self._open().begin(write=False) as transaction:
            return transaction.get(str(filepath).encode()) is not None

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is such a key."""
        return self.exists(filepath)

    def _open(self) -> Any:
        import lmdb  # type: ignore[import-not-found,unused-ignore] # it may not be installed

        # A database that is open in the parent must not be used by a forked worker, and a process opens it once.
        if self._client is None or self._process != os.getpid():
            options = {"readonly": self.readonly, "lock": self.lock, "readahead": self.readahead, **self.kwargs}
            key = (os.getpid(), os.path.realpath(self.db_path), repr(sorted(options.items())))
            self._client = _environments.get(key)
            if self._client is None:
                self._client = _environments[key] = lmdb.open(self.db_path, **options)
            self._process = os.getpid()
        return self._client

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}
