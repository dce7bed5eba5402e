"""Where checkpoints are written and read."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

from runner.errors import Path, Problem
from runner.validation.rules.context import Context
from runner.validation.rules.parts import hooks, value_at

__all__ = ["remote_checkpoints"]

_CHECKPOINT = "runner.hooks.checkpoint:CheckpointHook"
_LOCAL: Final = ("file", "local", "disk")
_WEB: Final = ("http", "https")
_PACKAGES: Final = {
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hdfs": "pyarrow",
    "oss": "ossfs",
    "s3": "s3fs",
    "s3a": "s3fs",
    "sftp": "paramiko",
    "smb": "smbprotocol",
    "ssh": "paramiko",
    "webdav": "webdav4",
}
"""What fsspec's drivers need."""


def remote_checkpoints(context: Context) -> Iterator[Problem]:
    """A place for checkpoints that nothing can be written to, or whose driver is not installed."""
    for part in hooks(context):
        if part.is_a(_CHECKPOINT):
            backend = part.value("backend_args")
            named = backend.get("backend") if isinstance(backend, dict) else None
            yield from _problem(context, (*part.path, "out_dir"), part.value("out_dir"), named, writes=True)
    for field in ("load_from", "resume"):
        yield from _problem(context, (field,), value_at(context, (field,)), None, writes=False)


def _problem(context: Context, path: Path, value: Any, backend: Any, *, writes: bool) -> Iterator[Problem]:
    if not isinstance(value, str) or context.doubtful(path):
        return
    protocol = backend if isinstance(backend, str) and "://" not in value else value.partition("://")[0]
    if "://" not in value and (backend is None or backend in _LOCAL):
        return
    message = None
    if writes and "::" in value:
        message = "a chain of drivers can't hold checkpoints; give the store's own address: s3://bucket/runs"
    elif writes and protocol in _WEB:
        message = f"{protocol}:// can be read alone; give a folder, or a store that can be written to: s3://bucket/runs"
    elif protocol in _PACKAGES and not context.catalog.candidates("STORAGES", protocol):
        package = _PACKAGES[protocol]
        if find_spec(package) is None:
            message = f"{protocol}:// needs {package}, which is not installed: pip install {package}"
    elif protocol not in {*_LOCAL, *_WEB} and not _is_known(context, protocol):
        message = f"neither a plugin nor fsspec knows {protocol}://; it may be s3, gs, abfs, sftp, …"
    if message is not None:
        yield context.problem("remote-checkpoints", path, message, at="value")


def _is_known(context: Context, protocol: str) -> bool:
    from fsspec import available_protocols  # type: ignore[import-untyped] # it has no types

    return bool(context.catalog.candidates("STORAGES", protocol)) or protocol in available_protocols()
