"""Files that fsspec reads: s3, gcs, zip, memory and what else has a driver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.errors import StorageError
from runner.fileio.atomic import replacing
from runner.fileio.backend import BaseStorageBackend, PathLike, check_listing, missing_package

__all__ = ["FileStat", "FsspecBackend"]

_FEW = 8
"""How many archives stay open at once."""
_WITH_FOLDERS = frozenset(
    {
        "arrow_hdfs",
        "asynclocal",
        "dbfs",
        "file",
        "ftp",
        "hdfs",
        "local",
        "memory",
        "root",
        "sftp",
        "smb",
        "ssh",
        "webdav",
        "webhdfs",
    }
)
"""Where a file needs its folder made first; an object store has none."""


_READ = frozenset({"accessed", "atime", "last_access_time", "time"})
"""What drivers call the time at which a file was last read (`time` is sftp's word for it)."""
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created", "modified")
"""What drivers call the time at which a file was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """What a store tells about a file.

    Attributes:
        size: Its length in bytes.
        modified: When it was written, in seconds since 1970; 0 where the store does not tell.
        tag: A text that is another one when the file is.
    """

    size: int
    modified: float
    tag: str


class FsspecBackend(BaseStorageBackend):
    """Files that one of fsspec's drivers reads.

    Args:
        protocol: The driver's name: `s3`, `gcs`, `zip`, `memory`, ….
        **options: The driver's own arguments (fsspec's `storage_options`).

    Raises:
        StorageError: There is no such driver; or, when it is first used, the package that it needs is not installed, or
            it refuses an argument.
    """

    def __init__(self, protocol: str, **options: Any) -> None:
        self.protocol = protocol
        self.options = options
        self._open: dict[str, Any] = {}
        self._process = os.getpid()
        from fsspec import available_protocols  # type: ignore[import-untyped] # it has no types

        if protocol not in available_protocols():
            raise StorageError(f"there is no storage backend '{protocol}': neither a plugin nor fsspec offers it")

    @property
    def name(self) -> str:
        """The class's name and the protocol."""
        return f"{type(self).__name__}({self.protocol})"

    def _at(self, filepath: PathLike) -> tuple[Any, str]:
        """The driver, and the path as it takes it."""
        if self._process != os.getpid():
            # Neither a network connection nor an open archive may be shared with a parent process.
            self._open = {}
            self._process = os.getpid()
        url = str(filepath)
        first, chained, rest = url.partition("::")
        driver = self._open.get(rest)
        if driver is None:
            if len(self._open) >= _FEW:
                self._open.pop(next(iter(self._open)))
            driver = self._open[rest] = self._driver(url if chained else None)
        path: str = driver._strip_protocol(first)  # noqa: SLF001 - fsspec has no public name for it
        return driver, path

    def _driver(self, chain: str | None) -> Any:
        import fsspec

        try:
            if chain is None:
                return fsspec.filesystem(self.protocol, **self.options)
            return fsspec.core.url_to_fs(chain, **self.options)[0]
        except ImportError as error:
            raise missing_package(f"{chain or self.protocol}://", _package(self.protocol, error)) from error
        except (TypeError, ValueError) as error:
            raise StorageError(f"the backend '{self.protocol}' can't be opened: {error}") from error

    @property
    def shows_whole_files(self) -> bool:
        """Whether nobody ever sees a file half written, as is so with object stores."""
        return self.protocol not in _WITH_FOLDERS

    def stat(self, filepath: PathLike) -> FileStat:
        """A file's size and age, asked for anew.

        Raises:
            FileNotFoundError: There is none.
        """
        driver, path = self._at(filepath)
        driver.invalidate_cache()
        found = driver.info(path)
        times = (found.get(key) for key in _TIMES)
        age = next((time for time in times if time is not None), None)
        return FileStat(size=int(found["size"] or 0), modified=_seconds(age), tag=_tag(found))

    def refresh(self) -> None:
        """Forget which files were where; other processes write too."""
        for driver in self._open.values():
            driver.invalidate_cache()

    def move(self, src: PathLike, dst: PathLike) -> None:
        """Give a file another name in the same store; one that has it is replaced."""
        driver, source = self._at(src)
        _, target = self._at(dst)
        if driver.exists(target):
            driver.rm_file(target)
        driver.mv(source, target)

    def get(self, filepath: PathLike) -> bytes:
        """The file's bytes."""
        driver, path = self._at(filepath)
        content: bytes = driver.cat_file(path)
        return content

    def put(self, obj: bytes, filepath: PathLike) -> None:
        """Write bytes; the object stores show the whole file or the one before it."""
        driver, path = self._at(filepath)
        self._make_parent(driver, path)
        driver.pipe_file(path, obj)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        driver, path = self._at(filepath)
        return bool(driver.exists(path))

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        driver, path = self._at(filepath)
        return bool(driver.isdir(path))

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file."""
        driver, path = self._at(filepath)
        return bool(driver.isfile(path))

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """The parts as one path; of a chained URL the first link grows."""
        first, chained, rest = str(filepath).partition("::")
        start = first if first.endswith("://") else f"{first.rstrip('/')}/"
        parts = [part for part in (str(each).strip("/") for each in filepaths) if part]
        return (start + "/".join(parts) if parts else first) + chained + rest

    def copyfile(self, src: PathLike, dst: PathLike) -> str:
        """Copy a file within the backend; into `dst` where that is a folder. Returns the new file."""
        dst = self._file_in(dst, src)
        driver, source = self._at(src)
        other, target = self._at(dst)
        if (driver, source) == (other, target):
            raise StorageError(f"{src} and {dst} are the same file")
        if driver is other:
            self._make_parent(driver, target)
            driver.copy(source, target)
        else:
            self.put(self.get(src), dst)
        return str(dst)

    def copytree(self, src: PathLike, dst: PathLike) -> str:
        """Copy a folder to a name that is free. Returns the new folder."""
        self._refuse_existing(dst)
        for each in self.list_dir_or_file(src, list_dir=False, recursive=True, hidden=True):
            self.copyfile(self.join_path(src, each), self.join_path(dst, each))
        return str(dst)

    def copyfile_from_local(self, src: PathLike, dst: PathLike) -> str:
        """Upload a local file."""
        dst = self._file_in(dst, src)
        driver, path = self._at(dst)
        self._make_parent(driver, path)
        driver.put_file(str(src), path)
        return str(dst)

    def copytree_from_local(self, src: PathLike, dst: PathLike) -> str:
        """Upload a local folder to a name that is free."""
        self._refuse_existing(dst)
        for each in sorted(Path(src).rglob("*")):
            if each.is_file():
                self.copyfile_from_local(each, self.join_path(dst, each.relative_to(src).as_posix()))
        return str(dst)

    def copyfile_to_local(self, src: PathLike, dst: PathLike) -> str:
        """Download a file; into `dst` where that is a folder. It is whole when it gets its name."""
        driver, path = self._at(src)
        target = Path(dst)
        if target.is_dir():
            target /= path.rstrip("/").rpartition("/")[2]
        with replacing(target) as part:
            driver.get_file(path, str(part))
        return str(target)

    def copytree_to_local(self, src: PathLike, dst: PathLike) -> str:
        """Download a folder; files that are there already are replaced."""
        target = Path(dst)
        target.mkdir(parents=True, exist_ok=True)
        for each in self.list_dir_or_file(src, list_dir=False, recursive=True, hidden=True):
            self.copyfile_to_local(self.join_path(src, each), _inside(target, each))
        return str(dst)

    def remove(self, filepath: PathLike) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is none.
            IsADirectoryError: It is a folder; `rmtree` deletes those.
        """
        if self.isdir(filepath):
            raise IsADirectoryError(f"{filepath} is a folder; rmtree deletes folders")
        driver, path = self._at(filepath)
        if not driver.exists(path):
            raise FileNotFoundError(f"{filepath}: there is no such file")
        driver.rm_file(path)

    def rmtree(self, dir_path: PathLike) -> None:
        """Delete a folder and all that is in it."""
        driver, path = self._at(dir_path)
        driver.rm(path, recursive=True)

    def list_dir_or_file(
        self,
        dir_path: PathLike,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
        *,
        hidden: bool = False,
    ) -> Iterator[str]:
        """What is in a folder, relative to it, in the order of names; files whose name begins with a dot are left out.

        Args:
            dir_path: The folder.
            list_dir: Give folders.
            list_file: Give files.
            suffix: Give only files that end so; it needs `list_dir=False`.
            recursive: Go into folders.
            hidden: Give files whose name begins with a dot too.
        """
        check_listing(list_dir, suffix)
        driver, path = self._at(dir_path)
        return _listed(driver, path, "", list_dir, list_file, suffix, recursive, hidden)

    def generate_presigned_url(self, url: str, client_method: str = "get_object", expires_in: int = 3600) -> str:
        """An address by which others can get the file for a while.

        Args:
            url: The file.
            client_method: `get_object`, or what else the driver knows (`put_object` for s3).
            expires_in: For how many seconds.
        """
        driver, path = self._at(url)
        options = {} if client_method == "get_object" else {"client_method": client_method}
        return str(driver.sign(path, expiration=expires_in, **options))

    def _file_in(self, dst: PathLike, src: PathLike) -> PathLike:
        if str(dst).endswith("/") or self.isdir(dst):
            return self.join_path(dst, str(src).partition("::")[0].rstrip("/").rpartition("/")[2])
        return dst

    def _refuse_existing(self, dst: PathLike) -> None:
        if self.exists(dst):
            raise FileExistsError(f"{dst} is there already; delete it, or copy to another name")

    def _make_parent(self, driver: Any, path: str) -> None:
        if self.protocol in _WITH_FOLDERS:
            driver.makedirs(path.rstrip("/").rpartition("/")[0], exist_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}


def _tag(found: dict[str, Any]) -> str:
    return repr(sorted((item for item in found.items() if item[0] not in _READ), key=repr))


def _seconds(time: Any) -> float:
    if isinstance(time, str):
        time = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return float(time.timestamp() if isinstance(time, datetime) else time or 0)


def _package(protocol: str, error: ImportError) -> str:
    """What to install for a driver."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped] # it has no types

    home = str(known_implementations.get(protocol, {}).get("class", "")).partition(".")[0]
    return home if home not in {"", "fsspec"} else error.name or str(error)


def _listed(
    driver: Any,
    root: str,
    below: str,
    list_dir: bool,
    list_file: bool,
    suffix: str | tuple[str, ...] | None,
    recursive: bool,
    hidden: bool,
) -> Iterator[str]:
    folder = f"{root.rstrip('/')}/{below}" if below else root
    for entry in sorted(driver.ls(folder, detail=True), key=lambda each: str(each["name"])):
        if str(entry["name"]).strip("/") == folder.strip("/"):
            continue  # the empty object that stands for a folder in some stores
        name = str(entry["name"]).rstrip("/").rpartition("/")[2]
        relative = f"{below}/{name}" if below else name
        if entry["type"] == "directory":
            if list_dir:
                yield relative
            if recursive:
                yield from _listed(driver, root, relative, list_dir, list_file, suffix, recursive, hidden)
        elif list_file and name and (hidden or not name.startswith(".")) and relative.endswith(suffix or ""):
            yield relative


def _inside(folder: Path, relative: str) -> Path:
    """A path in a folder; an archive's member that leads out of it is refused."""
    target = folder / relative
    if not target.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"{relative!r} leads out of {folder}; it was not written")
    return target
