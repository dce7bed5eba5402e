"""Which backend a path, or `backend_args`, means."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from runner.errors import StorageError
from runner.fileio.backend import BackendArgs, BaseStorageBackend, PathLike
from runner.fileio.http import HTTPBackend
from runner.fileio.lmdb import LmdbBackend
from runner.fileio.local import LocalBackend
from runner.fileio.remote import FsspecBackend

__all__ = ["get_file_backend", "register_backend"]

_T = TypeVar("_T", bound=type[BaseStorageBackend])

_BACKENDS: dict[str, type[BaseStorageBackend]] = {
    "local": LocalBackend,
    "file": LocalBackend,
    "disk": LocalBackend,
    "http": HTTPBackend,
    "https": HTTPBackend,
    "lmdb": LmdbBackend,
}
_PREFIXES: dict[str, type[BaseStorageBackend]] = {
    "": LocalBackend,
    "file": LocalBackend,
    "http": HTTPBackend,
    "https": HTTPBackend,
}
_LEFT_OUT = {
    "petrel": "write the path as s3://…, with `endpoint_url`, `key` and `secret` in backend_args",
    "memcached": "files come without a cache in between; fsspec's `simplecache` keeps copies on the local disk",
}
_instances: dict[str, Any] = {}


@overload
def register_backend(
    name: str, backend: None = None, force: bool = False, prefixes: str | Sequence[str] | None = None
) -> Callable[[_T], _T]: ...


@overload
def register_backend(
    name: str, backend: type[BaseStorageBackend], force: bool = False, prefixes: str | Sequence[str] | None = None
) -> None: ...


def register_backend(
    name: str,
    backend: type[BaseStorageBackend] | None = None,
    force: bool = False,
    prefixes: str | Sequence[str] | None = None,
) -> Callable[[_T], _T] | None:
    """Offer a backend of this process by a name; a decorator, or called with `backend`.

    An installed package offers one as a component of kind `storage` instead.

    Args:
        name: What `backend_args.backend` calls it.
        backend: The class, when not used as a decorator.
        force: Replace one that has the name or a prefix already.
        prefixes: What stands before `://` in the paths that it reads.

    Raises:
        ValueError: The name or a prefix is taken, and `force` is not given.
        TypeError: It is no class that derives from `BaseStorageBackend`.
    """
    if backend is None:

        def decorate(decorated: _T) -> _T:
            _register(name, decorated, force, prefixes)
            return decorated

        return decorate
    _register(name, backend, force, prefixes)
    return None


def _register(name: Any, backend: Any, force: bool, prefixes: str | Sequence[str] | None) -> None:
    if not isinstance(name, str):
        raise TypeError(f"register_backend: the name is a {type(name).__name__}; it must be a text")
    if not (inspect.isclass(backend) and issubclass(backend, BaseStorageBackend)):
        raise TypeError(f"register_backend: {backend!r} must be a class that derives from BaseStorageBackend")
    wanted = [prefixes] if isinstance(prefixes, str) else list(prefixes or ())
    for taken in [name] * (name in _BACKENDS) + [each for each in wanted if each in _PREFIXES]:
        if not force:
            raise ValueError(f"register_backend: {taken!r} is taken; pass force=True to replace what is there")
    _BACKENDS[name] = backend
    _PREFIXES.update(dict.fromkeys(wanted, backend))
    _instances.clear()


def get_file_backend(
    uri: PathLike | None = None,
    *,
    backend_args: BackendArgs | Mapping[str, Any] | None = None,
    enable_singleton: bool = False,
) -> Any:
    """The backend for a path, by `backend_args.backend` or by what stands before `://`.

    Args:
        uri: The path. Without a prefix it is a local one.
        backend_args: The backend's name, and its arguments.
        enable_singleton: Give the same object for the same prefix and arguments.

    Raises:
        StorageError: There is no such backend, a package for it is missing, or it refuses its arguments.
        ValueError: Neither a path nor a backend's name is given.
    """
    arguments = dict(backend_args or {})
    if uri is None and "backend" not in arguments:
        raise ValueError("get_file_backend: give a uri, or backend_args with 'backend'")
    prefix = parse_prefix(uri) if uri is not None else ""
    if not enable_singleton:
        return _make(prefix, arguments)
    key = f"{prefix}:{json.dumps(arguments, sort_keys=True, default=repr)}"
    if key not in _instances:
        _instances[key] = _make(prefix, arguments)
    return _instances[key]


def parse_prefix(uri: PathLike) -> str:
    """What stands before the first `://` of a path; "" where there is none. `cluster:s3://…` is `s3`."""
    if not isinstance(uri, str):
        return ""
    prefix, separator, _ = uri.partition("://")
    return prefix.rpartition(":")[2] if separator else ""


def _make(prefix: str, arguments: dict[str, Any]) -> Any:
    named = arguments.pop("backend", None)
    arguments.update(arguments.pop("storage_options", None) or {})
    name = prefix if named is None else str(named)
    backend = _find(name, by_prefix=named is None)
    if backend is None:
        return FsspecBackend(name, **arguments)
    try:
        return backend(**arguments)
    except TypeError as error:
        raise StorageError(f"the backend '{name or 'local'}' refuses its arguments: {error}") from error


def _find(name: str, *, by_prefix: bool) -> Callable[..., Any] | None:
    """The class of that name: of this process, of an installed plugin; None where it is left to fsspec."""
    own = (_PREFIXES if by_prefix else _BACKENDS).get(name)
    if own is not None:
        return own
    from runner.registry import STORAGES

    offered: Callable[..., Any] | None = STORAGES.get(name)
    if offered is None and name in _LEFT_OUT:
        raise StorageError(f"the backend '{name}' is left out; {_LEFT_OUT[name]}")
    return offered
