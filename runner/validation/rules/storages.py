"""Where files come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import Path, Problem
from runner.validation.rules.context import Context
from runner.validation.suggest import nearest

__all__ = ["unknown_storage"]

_OWN = ("disk", "file", "http", "https", "lmdb", "local")
_LEFT_OUT = {
    "petrel": "write the path as s3://…, with `endpoint_url`, `key` and `secret` in backend_args",
    "memcached": "files come without a cache in between",
}


def unknown_storage(context: Context) -> Iterator[Problem]:
    """A `backend_args` that names a backend which neither this package, a plugin nor fsspec has."""
    for path, name in _named(context.data, ()):
        if name in _OWN or context.catalog.candidates("STORAGES", name) or context.doubtful(path):
            continue
        drivers = _drivers()
        if name in drivers:
            continue
        near = nearest(name, sorted({*_OWN, *drivers}))
        hint = _LEFT_OUT.get(name, f"did you mean '{near}'?" if near else "it may be one of fsspec's: s3, gcs, zip, …")
        message = f"there is no storage backend '{name}'; {hint}"
        yield context.problem("unknown-storage", path, message, at="value", suggestion=near)


def _drivers() -> set[str]:
    """What fsspec has a driver for. It is imported only where a config asks for more than local files."""
    from fsspec import available_protocols  # type: ignore[import-untyped] # it has no types

    return set(available_protocols())


def _named(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The backends that are named anywhere in a config, with their places."""
    if isinstance(value, Mapping):
        arguments = value.get("backend_args")
        if isinstance(arguments, Mapping) and isinstance(arguments.get("backend"), str):
            yield (*path, "backend_args", "backend"), arguments["backend"]
        for key, each in value.items():
            yield from _named(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _named(each, (*path, number))
