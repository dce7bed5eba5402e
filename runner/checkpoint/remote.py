"""A folder of checkpoints on a remote store: `s3://`, `gs://`, and what else fsspec or a plugin's storage writes to.

A checkpoint is written on this machine first, where its digest is taken, and then uploaded; the index names it when that
is done. An object store shows a file whole or not at all, so that a kill amid an upload leaves what was there before.
Other stores (`sftp://`) are written to under another name, which is then changed.

A folder of shares has many files, and no store gives a folder another name in one step. So one that takes another's place
is uploaded whole under a hidden name first; only then is the old one deleted, and the new one copied to its name within
the store. Whenever that is broken off, there is a whole one: the old, or the hidden one, which is read in its stead and
gets its name with the next save.

Nothing there can be locked so that a dead process lets go. What is done instead: whoever begins to train writes down that
the folder is his, and whoever finds before a write that it is another's stops. So the run that began last goes on, and
one that was taken for dead can't disturb it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from runner.checkpoint.index import TEMPORARY_SUFFIX, temporary
from runner.checkpoint.place import Url, is_remote, place
from runner.checkpoint.shares import MANIFEST, RUN_FILE, delete
from runner.checkpoint.storage import LocalFolder, Storage
from runner.errors import StorageError
from runner.fileio import get_file_backend

__all__ = ["OWNER_NAME", "WEB", "RemoteFolder", "downloaded", "open_folder"]

OWNER_NAME: Final = "checkpoints.owner.json"
WEB: Final = frozenset({"http", "https"})
"""What gives a file by its address, and tells nothing of those beside it."""


class RemoteFolder:
    """A folder on a remote store.

    Args:
        folder: Its address.
        backend_args: What the store's driver needs; by default it looks for itself (environment, files, the machine's role).
        staging: A folder of this machine in which checkpoints are written before they are uploaded; by default one in
            `$TMPDIR`, where downloads go in any case.

    Raises:
        StorageError: There is no driver for it, or its package is missing.
    """

    names_first = False

    def __init__(self, folder: Url, backend_args: Mapping[str, Any] | None = None, staging: Path | None = None) -> None:
        if "::" in folder.text:
            raise StorageError(f"{folder}: a chain of drivers can't hold checkpoints; give the store's own address")
        self.folder = folder
        self._backend = get_file_backend(folder.text, backend_args=backend_args)
        self._lists = folder.protocol not in WEB
        if self._lists and not hasattr(self._backend, "stat"):
            raise StorageError(
                f"{folder}: {type(self._backend).__name__} has no `stat`, which tells one file from another; checkpoints need "
                "a storage that derives from runner.fileio.FsspecBackend"
            )
        self._staging = staging
        self._own: Path | None = None
        self._fetched: tuple[str, str] | None = None
        self._token: str | None = None

    # ---- reading -----------------------------------------------------------------------------------------------------

    def names(self) -> set[str]:
        """The names of all that could be a checkpoint; one listing, and a look into each folder. The web lists nothing."""
        if not self._lists:
            return set()
        files, folders = self._listed(hidden=True)
        whole = {name for name in folders if self._has(f"{name}/{RUN_FILE}")}
        named = {_name_of(name) if _is_hidden(name) else name for name in whole}
        return named | {name for name in files if not name.startswith(".")}

    def has(self, name: str) -> bool:
        """Whether there is a checkpoint of a name."""
        if self._lists:
            return name in self.names()
        with self._told(f"{self.folder}/{name}"):
            return bool(self._backend.isfile(self._at(name)))

    def size(self, name: str) -> int:
        """Bytes of a checkpoint."""
        with self._told(f"{self.folder}/{name}"):
            return sum(self._backend.stat(self._at(each)).size for each in self._files(name) if not _is_manifest(each))

    def modified(self, name: str) -> int:
        """When it was written, in nanoseconds."""
        with self._told(f"{self.folder}/{name}"):
            return int(self._backend.stat(self._at(self._files(name)[0])).modified * 1e9)

    def local(self, name: str) -> Path:
        """Download a checkpoint, unless it is the one that was downloaded last and has not changed since."""
        with self._told(f"{self.folder}/{name}"):
            files = self._files(name)
            tag = repr([self._backend.stat(self._at(each)).tag for each in files]) if self._lists else ""
            target = self._downloads() / name
            if self._fetched != (name, tag) or not target.exists():
                self._forget_download()
                for each in files:
                    file = target / each.rpartition("/")[2] if "/" in each else target
                    file.parent.mkdir(parents=True, exist_ok=True)
                    self._backend.copyfile_to_local(self._at(each), file)
                self._fetched = name, tag
            return target

    def read_text(self, name: str) -> str:
        """A small file; there is none beside what the web gives."""
        if not self._lists:
            raise FileNotFoundError(f"{self.folder}/{name}: there is no index in the web")
        with self._told(f"{self.folder}/{name}"):
            self._refresh()
            text: str = self._backend.get_text(self._at(name))
            return text

    # ---- writing -----------------------------------------------------------------------------------------------------

    def part(self, name: str) -> Path:
        """A file of this machine."""
        return temporary(self._staged() / name)

    def prepare(self, part: Path) -> None:
        """Make the staging folder, and clear away what killed saves left in it, and in the store; or bring it to its end."""
        self._require_ownership()
        self._staged().mkdir(parents=True, exist_ok=True)
        for leftover in self._staged().glob(f".*{TEMPORARY_SUFFIX}"):
            if leftover != part:
                delete(leftover)
        with self._told(str(self.folder)):
            files, folders = self._listed(hidden=True)
            for name in files:
                if name.startswith(".") and name.endswith(TEMPORARY_SUFFIX):
                    self._backend.remove(self._at(name))
            for name in sorted(folders):  # hidden ones come first
                if _is_hidden(name) and self._has(f"{name}/{RUN_FILE}"):
                    self._put_in_place(_name_of(name))
                elif _is_hidden(name) or (name.endswith(".pth") and not self._has(f"{name}/{RUN_FILE}")):
                    self._delete(name)

    def publish(self, part: Path, name: str) -> None:
        """Upload, and delete what was written here."""
        try:
            self._require_ownership()  # what was written here may have taken minutes
            with self._told(f"{self.folder}/{name}", writes=True):
                if not part.is_dir():
                    self._upload(part, name)
                    return
                self._refresh()
                replaces = bool(self._backend.exists(self._at(name)))
                folder = _hidden(name) if replaces else name
                for each in _run_file_last(path.name for path in part.iterdir()):
                    self._upload(part / each, f"{folder}/{each}")
                if replaces:
                    self._put_in_place(name)
        finally:
            delete(part)

    def _put_in_place(self, name: str) -> None:
        """Give the name to the hidden folder that has taken its place; a file of that name goes too."""
        self._delete(name)
        hidden = _hidden(name)
        for each in _run_file_last(each.rpartition("/")[2] for each in self._inside(hidden)):
            self._copy(f"{hidden}/{each}", f"{name}/{each}")
        self._delete(hidden)

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file in one step."""
        self._require_ownership()
        self._put(name, text)

    def delete(self, name: str) -> None:
        """Delete a checkpoint, if there is one."""
        self._require_ownership()
        with self._told(f"{self.folder}/{name}"):
            self._delete(_hidden(name))
            self._delete(name)

    def _delete(self, name: str) -> None:
        self._refresh()
        if self._backend.isdir(self._at(name)):
            if self._has(f"{name}/{RUN_FILE}"):
                self._backend.remove(self._at(f"{name}/{RUN_FILE}"))
                self._refresh()
            if self._backend.exists(self._at(name)):
                self._backend.rmtree(self._at(name))
        elif self._backend.exists(self._at(name)):
            self._backend.remove(self._at(name))

    # ---- whose it is -------------------------------------------------------------------------------------------------

    def claim(self) -> str | None:
        """Write down that the folder is this process's from now on; who had it before and did not let go, in words.

        Raises:
            StorageError: Nothing can be written there.
        """
        before = self._owner()
        self._token = uuid.uuid4().hex
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        owner = {"token": self._token, "pid": os.getpid(), "host": socket.gethostname(), "since": now}
        self._put(OWNER_NAME, json.dumps(owner) + "\n")
        return None if before is None else _told(before)

    def release(self) -> None:
        """Let go of the folder, if it is still this process's."""
        owner = self._owner() if self._token is not None else None
        if owner is not None and owner.get("token") == self._token:
            with self._told(str(self.folder)):
                self._backend.remove(self._at(OWNER_NAME))
        self._token = None
        self._forget_download()

    def _require_ownership(self) -> None:
        owner = self._owner() if self._token is not None else None
        if self._token is not None and (owner is None or owner.get("token") != self._token):
            who = "somebody who deleted the note of it" if owner is None else _told(owner)
            raise StorageError(
                f"{self.folder} was taken over by {who}: two runs in one place would delete each other's checkpoints, so "
                "this one writes nothing there any more. Give each a work_dir of its own name, or an out_dir of its own"
            )

    def _owner(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self.read_text(OWNER_NAME))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    # ---- the driver --------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _refresh(self) -> None:
        if hasattr(self._backend, "refresh"):
            self._backend.refresh()

    def _has(self, name: str) -> bool:
        # A driver's `isfile` takes a broken connection for a file that is not there.
        with self._told(f"{self.folder}/{name}"):
            try:
                self._backend.stat(self._at(name))
            except FileNotFoundError:
                return False
            return True

    def _files(self, name: str) -> list[str]:
        """The files of a checkpoint: itself, those in its folder, or those in the hidden one that takes its place."""
        self._refresh()
        is_folder = bool(self._backend.isdir(self._at(name)))
        if is_folder and self._has(f"{name}/{RUN_FILE}"):
            return self._inside(name)
        if (
            self._lists
            and (is_folder or not self._backend.exists(self._at(name)))
            and self._has(f"{_hidden(name)}/{RUN_FILE}")
        ):
            return self._inside(_hidden(name))
        return self._inside(name) if is_folder else [name]

    def _inside(self, folder: str) -> list[str]:
        inside = self._backend.list_dir_or_file(self._at(folder), list_dir=False, hidden=True)
        return [f"{folder}/{each}" for each in inside]

    def _listed(self, *, hidden: bool = False) -> tuple[set[str], set[str]]:
        """The names of the files and of the folders."""
        with self._told(str(self.folder)):
            self._refresh()
            try:
                files = set(self._backend.list_dir_or_file(self.folder.text, list_dir=False, hidden=hidden))
                folders = set(self._backend.list_dir_or_file(self.folder.text, list_file=False, hidden=hidden))
            except FileNotFoundError:
                return set(), set()
            return files, folders

    def _upload(self, file: Path, name: str) -> None:
        if getattr(self._backend, "shows_whole_files", True):
            self._backend.copyfile_from_local(file, self._at(name))
            return
        folder, slash, last = name.rpartition("/")
        hidden = f"{folder}{slash}.{last}{TEMPORARY_SUFFIX}"
        self._backend.copyfile_from_local(file, self._at(hidden))
        self._backend.move(self._at(hidden), self._at(name))

    def _copy(self, name: str, new: str) -> None:
        if getattr(self._backend, "shows_whole_files", True):
            self._backend.copyfile(self._at(name), self._at(new))
            return
        copied = self._downloads() / "copied"
        self._backend.copyfile_to_local(self._at(name), copied)
        self._upload(copied, new)
        delete(copied)

    def _put(self, name: str, text: str) -> None:
        with self._told(f"{self.folder}/{name}", writes=True):
            if getattr(self._backend, "shows_whole_files", True):
                self._backend.put(text.encode(), self._at(name))
                return
            hidden = f".{name}{TEMPORARY_SUFFIX}"
            self._backend.put(text.encode(), self._at(hidden))
            self._backend.move(self._at(hidden), self._at(name))

    @contextmanager
    def _told(self, what: str, *, writes: bool = False) -> Iterator[None]:
        """Turn whatever a driver raises into an error of ours, but for a file that is not there and a full disk here."""
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not writes:
                raise
            if isinstance(error, OSError) and error.filename is not None and not is_remote(str(error.filename)):
                raise
            raise StorageError(f"{what}: {_words(error)}. {_advice(error)}") from error

    # ---- this machine ------------------------------------------------------------------------------------------------

    def _staged(self) -> Path:
        return self._staging if self._staging is not None else self._downloads() / "upload"

    def _downloads(self) -> Path:
        if self._own is None:
            self._own = Path(tempfile.mkdtemp(prefix="runner-checkpoint-"))
            weakref.finalize(self, _remove, self._own, os.getpid())
        return self._own

    def _forget_download(self) -> None:
        if self._fetched is not None:
            delete(self._downloads() / self._fetched[0])
            self._fetched = None


def open_folder(
    where: str | os.PathLike[str] | Url, backend_args: Mapping[str, Any] | None = None, staging: Path | None = None
) -> Storage:
    """Return what reads and writes a folder of checkpoints.

    Args:
        where: A path, or an address.
        backend_args: For an address: what the store's driver needs.
        staging: For an address: a folder of this machine in which checkpoints are written before they are uploaded.
    """
    found = place(where)
    return RemoteFolder(found, backend_args, staging) if isinstance(found, Url) else LocalFolder(found)


@contextmanager
def downloaded(url: Url, backend_args: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A checkpoint of a remote store, or of the web, as a file of this machine, for the block.

    Raises:
        StorageError: It can't be had.
    """
    folder = RemoteFolder(url.parent, backend_args)
    try:
        yield folder.local(url.name)
    except FileNotFoundError as error:
        raise StorageError(f"{url}: there is no such checkpoint") from error
    finally:
        folder.release()


def _remove(folder: Path, process: int) -> None:
    """Delete downloads, unless this is a worker that was forked from the process whose they are."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _hidden(name: str) -> str:
    """The folder that a folder of shares is uploaded into while it takes another's place."""
    return f".{name}{TEMPORARY_SUFFIX}"


def _is_hidden(folder: str) -> bool:
    return folder.startswith(".") and folder.endswith(TEMPORARY_SUFFIX)


def _name_of(hidden: str) -> str:
    return hidden.removeprefix(".").removesuffix(TEMPORARY_SUFFIX)


def _run_file_last(names: Iterable[str]) -> list[str]:
    """Files of a folder of shares in the order in which they come to it: without its last one it is no checkpoint."""
    return sorted(names, key=lambda name: (name == RUN_FILE, name))


def _is_manifest(name: str) -> bool:
    return name.endswith(f"/{MANIFEST}")


def _told(owner: Mapping[str, Any]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}, since {owner.get('since', '?')}"


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _advice(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return "Checkpoints need a store that can be written to and listed"
    if isinstance(error, PermissionError) or "credential" in type(error).__name__.lower():
        return (
            "See whether the account may read and write there; give it in the environment (AWS_ACCESS_KEY_ID and its kin), "
            "or in backend_args with ${env:NAME}"
        )
    return "See whether the address is right and the store can be reached, also by backend_args.endpoint_url"
