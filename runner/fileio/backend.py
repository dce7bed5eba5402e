"""What a storage backend is: where files are read and written."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from typing_extensions import TypedDict

from runner.errors import StorageError

__all__ = ["BackendArgs", "BaseStorageBackend", "PathLike"]

PathLike: TypeAlias = "str | Path"


class BackendArgs(TypedDict, total=False):
    """Where files come from, and what the driver needs to get them.

    Attributes:
        backend: `local`, `http`, `lmdb`, the name of a plugin's storage, or a protocol of fsspec: `s3`, `gcs`, `zip`,
            `memory`, …. By default what stands in front of `://` in the path says it.
        anon: For s3: read public files without an account.
        key: For s3: the access key. Default: the driver's own search (environment, files, the machine's role).
        secret: For s3: the secret key; write `${env:NAME}`, which is never dumped.
        token: For s3 and gcs: a session's token.
        profile: For s3: the profile in the AWS configuration files.
        endpoint_url: For s3 and gcs: the address of a store that speaks the same protocol.
        project: For gcs: the project that is billed.
        fo: For zip, tar and other archives: the archive's own path or URL.
        target_protocol: For archives and caches: the protocol that `fo` is read by.
        host: For ftp, sftp, smb, hdfs: the server.
        port: For the same: its port.
        username: For the same: the user.
        password: For the same: the password; write `${env:NAME}`.
        headers: For http: headers of each request.
        timeout: For http: seconds to wait for an answer. Default: 60.
        db_path: For lmdb: the database's folder or file.
        readonly: For lmdb: open it for reading only. Default: true.
        lock: For lmdb: lock it against other processes. Default: false.
        readahead: For lmdb: let the system read ahead. Default: false.
        storage_options: Any other argument of fsspec's driver, or of a plugin's storage, by its name.
    """

    backend: str
    anon: bool
    key: str
    secret: str
    token: str
    profile: str
    endpoint_url: str
    project: str
    fo: str
    target_protocol: str
    host: str
    port: int
    username: str
    password: str
    headers: dict[str, str]
    timeout: float
    db_path: str
    readonly: bool
    lock: bool
    readahead: bool
    storage_options: dict[str, Any]


class BaseStorageBackend(ABC):
    """Reads and, where it can, writes files under one kind of path.

    A backend of your own gives `get`; the others that it can do, it overrides.
    """

    _allow_symlink: ClassVar[bool] = False

    @property
    def allow_symlink(self) -> bool:
        """Whether `copy_if_symlink_fails` can make links."""
        return self._allow_symlink

    @property
    def name(self) -> str:
        """The class's name."""
        return type(self).__name__

    @abstractmethod
    def get(self, filepath: PathLike) -> bytes:
        """The file's bytes."""

    def get_text(self, filepath: PathLike, encoding: str = "utf-8") -> str:
        """The file's text; line ends become newlines."""
        text = self.get(filepath).decode(encoding)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def put(self, obj: bytes, filepath: PathLike) -> None:
        """Write bytes; folders are made where there are none."""
        del obj
        raise self._cannot("put", filepath)

    def put_text(self, obj: str, filepath: PathLike, encoding: str = "utf-8") -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        raise self._cannot("exists", filepath)

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        raise self._cannot("isdir", filepath)

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file."""
        raise self._cannot("isfile", filepath)

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """The parts as one path, with one `/` between each."""
        parts = [str(filepath).rstrip("/"), *(str(each).strip("/") for each in filepaths)]
        return "/".join(part for part in parts if part)

    @contextmanager
    def get_local_path(self, filepath: PathLike) -> Iterator[PathLike]:
        """A local file with the content, for code that reads from paths only; it is deleted after the block."""
        name = str(filepath).partition("::")[0].partition("?")[0]
        descriptor, temporary = tempfile.mkstemp(suffix="".join(Path(name).suffixes[-2:])[-32:])
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(self.get(filepath))
            yield temporary
        finally:
            Path(temporary).unlink(missing_ok=True)

    def copyfile(self, src: PathLike, dst: PathLike) -> str:
        """Copy a file within the backend; into `dst` where that is a folder. Returns the new file."""
        raise self._cannot("copyfile", src, dst)

    def copytree(self, src: PathLike, dst: PathLike) -> str:
        """Copy a folder within the backend to a name that is free. Returns the new folder."""
        raise self._cannot("copytree", src, dst)

    def copyfile_from_local(self, src: PathLike, dst: PathLike) -> str:
        """Copy a local file into the backend."""
        raise self._cannot("copyfile_from_local", src, dst)

    def copytree_from_local(self, src: PathLike, dst: PathLike) -> str:
        """Copy a local folder into the backend."""
        raise self._cannot("copytree_from_local", src, dst)

    def copyfile_to_local(self, src: PathLike, dst: PathLike) -> str:
        """Copy a file of the backend to the local disk."""
        raise self._cannot("copyfile_to_local", src, dst)

    def copytree_to_local(self, src: PathLike, dst: PathLike) -> str:
        """Copy a folder of the backend to the local disk."""
        raise self._cannot("copytree_to_local", src, dst)

    def remove(self, filepath: PathLike) -> None:
        """Delete a file."""
        raise self._cannot("remove", filepath)

    def rmtree(self, dir_path: PathLike) -> None:
        """Delete a folder and all that is in it."""
        raise self._cannot("rmtree", dir_path)

    def copy_if_symlink_fails(self, src: PathLike, dst: PathLike) -> bool:
        """Link `dst` to `src`, or copy where there are no links; whether it was linked."""
        if self.isfile(src):
            self.copyfile(src, dst)
        else:
            self.copytree(src, dst)
        return False

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
        del list_dir, list_file, suffix, recursive
        raise self._cannot("list_dir_or_file", dir_path)

    def generate_presigned_url(self, url: str, client_method: str = "get_object", expires_in: int = 3600) -> str:
        """An address by which others can get the file for a while.

        Args:
            url: The file.
            client_method: `get_object` or `put_object`.
            expires_in: For how many seconds.
        """
        del client_method, expires_in
        raise self._cannot("generate_presigned_url", url)

    def _cannot(self, method: str, *paths: PathLike) -> Exception:
        named = " -> ".join(map(str, paths))
        return NotImplementedError(f"{self.name} can't {method} ({named}); use another backend, or override {method}()")


def check_listing(list_dir: bool, suffix: str | tuple[str, ...] | None) -> None:
    """Refuse arguments of `list_dir_or_file` that contradict each other."""
    if list_dir and suffix is not None:
        raise TypeError("list_dir_or_file: suffix chooses files; give list_dir=False with it")
    if suffix is not None and not isinstance(suffix, (str, tuple)):
        raise TypeError(f"list_dir_or_file: suffix is a {type(suffix).__name__}; it must be a text or a tuple of texts")


def missing_package(what: str, packages: str) -> StorageError:
    """The error for an optional package that is not installed."""
    return StorageError(f"{what} needs what is not installed: pip install {packages}")
