"""Files by path, wherever they are: each function asks the backend that the path, or `backend_args`, means."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.errors import StorageError
from runner.fileio.backend import BackendArgs, PathLike
from runner.fileio.choose import get_file_backend, parse_prefix
from runner.fileio.handlers import BaseFileHandler, file_handlers

__all__ = [
    "copy_if_symlink_fails",
    "copyfile",
    "copyfile_from_local",
    "copyfile_to_local",
    "copytree",
    "copytree_from_local",
    "copytree_to_local",
    "dump",
    "exists",
    "generate_presigned_url",
    "get",
    "get_local_path",
    "get_text",
    "isdir",
    "isfile",
    "join_path",
    "list_dir_or_file",
    "load",
    "put",
    "put_text",
    "remove",
    "rmtree",
]


def _backend(path: PathLike, backend_args: BackendArgs | None) -> Any:
    return get_file_backend(path, backend_args=backend_args, enable_singleton=True)


def get(filepath: PathLike, backend_args: BackendArgs | None = None) -> bytes:
    """A file's bytes.

    Args:
        filepath: A local path, or one behind a prefix: `s3://bucket/key`, `https://…`, `zip://member::archive.zip`.
        backend_args: Where it comes from, where the prefix does not say enough.

    Raises:
        FileNotFoundError: There is no such file.
        StorageError: There is no such backend, a package for it is missing, or the server refuses.
    """
    content: bytes = _backend(filepath, backend_args).get(filepath)
    return content


def get_text(filepath: PathLike, encoding: str = "utf-8", backend_args: BackendArgs | None = None) -> str:
    """A file's text."""
    content: str = _backend(filepath, backend_args).get_text(filepath, encoding)
    return content


def put(obj: bytes, filepath: PathLike, backend_args: BackendArgs | None = None) -> None:
    """Write bytes to a file; a local one is replaced in one step. Folders are made where there are none."""
    _backend(filepath, backend_args).put(obj, filepath)


def put_text(obj: str, filepath: PathLike, backend_args: BackendArgs | None = None) -> None:
    """Write text to a file in UTF-8; a local one is replaced in one step."""
    _backend(filepath, backend_args).put_text(obj, filepath)


def exists(filepath: PathLike, backend_args: BackendArgs | None = None) -> bool:
    """Whether there is a file or folder."""
    return bool(_backend(filepath, backend_args).exists(filepath))


def isdir(filepath: PathLike, backend_args: BackendArgs | None = None) -> bool:
    """Whether there is a folder."""
    return bool(_backend(filepath, backend_args).isdir(filepath))


def isfile(filepath: PathLike, backend_args: BackendArgs | None = None) -> bool:
    """Whether there is a file."""
    return bool(_backend(filepath, backend_args).isfile(filepath))


def join_path(filepath: PathLike, *filepaths: PathLike, backend_args: BackendArgs | None = None) -> str:
    """The parts as one path, as the first one's backend writes it."""
    return str(_backend(filepath, backend_args).join_path(filepath, *filepaths))


@contextmanager
def get_local_path(filepath: PathLike, backend_args: BackendArgs | None = None) -> Iterator[PathLike]:
    """A local file with the content, for the block; a local path itself, a download otherwise."""
    with _backend(filepath, backend_args).get_local_path(str(filepath)) as local_path:
        yield local_path


def copyfile(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a file, into `dst` where that is a folder; both lie in the same backend. Returns the new file."""
    _same(src, dst)
    return str(_backend(src, backend_args).copyfile(src, dst))


def copytree(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a folder to a name that is free; both lie in the same backend. Returns the new folder."""
    _same(src, dst)
    return str(_backend(src, backend_args).copytree(src, dst))


def copyfile_from_local(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a local file to `dst`'s backend. Returns the new file."""
    return str(_backend(dst, backend_args).copyfile_from_local(src, dst))


def copytree_from_local(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a local folder to `dst`'s backend. Returns the new folder."""
    return str(_backend(dst, backend_args).copytree_from_local(src, dst))


def copyfile_to_local(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a file of `src`'s backend to the local disk. Returns the new file."""
    return str(_backend(src, backend_args).copyfile_to_local(src, dst))


def copytree_to_local(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> str:
    """Copy a folder of `src`'s backend to the local disk. Returns the new folder."""
    return str(_backend(src, backend_args).copytree_to_local(src, dst))


def remove(filepath: PathLike, backend_args: BackendArgs | None = None) -> None:
    """Delete a file."""
    _backend(filepath, backend_args).remove(filepath)


def rmtree(dir_path: PathLike, backend_args: BackendArgs | None = None) -> None:
    """Delete a folder and all that is in it."""
    _backend(dir_path, backend_args).rmtree(dir_path)


def copy_if_symlink_fails(src: PathLike, dst: PathLike, backend_args: BackendArgs | None = None) -> bool:
    """Link `dst` to `src`, or copy where there are no links; whether it was linked."""
    return bool(_backend(src, backend_args).copy_if_symlink_fails(src, dst))


def list_dir_or_file(
    dir_path: PathLike,
    list_dir: bool = True,
    list_file: bool = True,
    suffix: str | tuple[str, ...] | None = None,
    recursive: bool = False,
    backend_args: BackendArgs | None = None,
) -> Iterator[str]:
    """What is in a folder, relative to it, in the order of names; files whose name begins with a dot are left out.

    Args:
        dir_path: The folder.
        list_dir: Give folders.
        list_file: Give files.
        suffix: Give only files that end so; it needs `list_dir=False`.
        recursive: Go into folders.
        backend_args: Where it is.
    """
    found: Iterator[str] = _backend(dir_path, backend_args).list_dir_or_file(
        dir_path, list_dir, list_file, suffix, recursive
    )
    return found


def generate_presigned_url(
    url: str,
    client_method: str = "get_object",
    expires_in: int = 3600,
    backend_args: BackendArgs | None = None,
) -> str:
    """An address by which others can get a file of an object store for a while.

    Args:
        url: The file.
        client_method: `get_object` or `put_object`.
        expires_in: For how many seconds.
        backend_args: Where it is.
    """
    return str(_backend(url, backend_args).generate_presigned_url(url, client_method, expires_in))


def load(
    file: Any,
    file_format: str | None = None,
    file_client_args: dict[str, Any] | None = None,
    backend_args: BackendArgs | None = None,
    **kwargs: Any,
) -> Any:
    """Read data from a JSON, YAML or pickle file; nothing in it is run.

    Args:
        file: A path, local or behind a prefix, or an open file.
        file_format: `json`, `yaml`, `yml`, `pickle`, `pkl`, or a registered one; by default the path's ending.
        file_client_args: MMEngine's older name for `backend_args`.
        backend_args: Where it comes from.
        **kwargs: For the format's handler.

    Raises:
        TypeError: The format is unknown.
        StorageError: The content is damaged, or a pickle asks for more than plain data and NumPy arrays.
    """
    handler = _handler(file, file_format)
    arguments = chosen(file_client_args, backend_args)
    if not isinstance(file, (str, Path)):
        return handler.load_from_fileobj(file, **kwargs)
    backend = get_file_backend(file, backend_args=arguments)
    content: Any = io.StringIO(backend.get_text(file)) if handler.str_like else _Named(backend.get(file), str(file))
    try:
        return handler.load_from_fileobj(content, **kwargs)
    except ValueError as error:
        raise StorageError(f"{file} can't be read as {_format(file, file_format)}: {error}") from error


def dump(
    obj: Any,
    file: Any = None,
    file_format: str | None = None,
    file_client_args: dict[str, Any] | None = None,
    backend_args: BackendArgs | None = None,
    **kwargs: Any,
) -> Any:
    """Write data to a JSON, YAML or pickle file, or to a text.

    Args:
        obj: Plain data; sets, ranges, and NumPy's arrays and numbers are written as lists and numbers in JSON and YAML.
        file: A path, local or behind a prefix, or an open file; None for a text (for bytes, as a pickle). A local file
            is replaced in one step.
        file_format: As for `load`; required without a path.
        file_client_args: MMEngine's older name for `backend_args`.
        backend_args: Where it goes.
        **kwargs: For the format's handler.

    Returns:
        The text where `file` is None.

    Raises:
        TypeError: The format is unknown, or the data has no form in it.
        ValueError: Neither a path nor a format is given.
    """
    if file is None and file_format is None:
        raise ValueError("dump: give a file_format, as there is no file whose ending says it")
    handler = _handler(file, file_format)
    arguments = chosen(file_client_args, backend_args)
    if file is None:
        return handler.dump_to_str(obj, **kwargs)
    if not isinstance(file, (str, Path)):
        handler.dump_to_fileobj(obj, file, **kwargs)
        return None
    buffer: Any = io.StringIO() if handler.str_like else io.BytesIO()
    handler.dump_to_fileobj(obj, buffer, **kwargs)
    backend = get_file_backend(file, backend_args=arguments)
    if handler.str_like:
        backend.put_text(buffer.getvalue(), file)
    else:
        backend.put(buffer.getvalue(), file)
    return None


class _Named(io.BytesIO):
    """Bytes that know where they came from, for errors."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _format(file: Any, file_format: str | None) -> str:
    if file_format is not None or not isinstance(file, (str, Path)):
        return str(file_format)
    path = str(file).partition("::")[0]
    if path.startswith(("http://", "https://")):
        path = path.partition("?")[0].partition("#")[0]
    return path.rpartition(".")[2]


def _handler(file: Any, file_format: str | None) -> BaseFileHandler:
    named = _format(file, file_format)
    if named not in file_handlers:
        raise TypeError(
            f"{file}: {named!r} is no format that can be read and written; there are {', '.join(sorted(file_handlers))}"
        )
    return file_handlers[named]


def chosen(file_client_args: dict[str, Any] | None, backend_args: BackendArgs | None) -> Any:
    """`backend_args`, also where they are given by MMEngine's older name."""
    if file_client_args is None:
        return backend_args
    if backend_args is not None:
        raise ValueError("file_client_args is the older name of backend_args; give one of them")
    warnings.warn("file_client_args is called backend_args now", DeprecationWarning, stacklevel=3)
    return file_client_args


def _same(src: PathLike, dst: PathLike) -> None:
    if parse_prefix(src) != parse_prefix(dst):
        raise StorageError(
            f"{src} and {dst} lie in different places; copyfile_to_local and copyfile_from_local copy between them"
        )
