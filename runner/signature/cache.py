"""Records on disk: one JSON file for each target, valid while every file that was read for it is unchanged."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from runner.signature.locate import Stamp, find_top, stamp
from runner.signature.record import REQUIRED, UNKNOWN, Mark, Parameter, Signature

__all__ = ["Key", "forget", "load", "make_key", "store"]

Key = tuple[str, tuple[str, ...]]
"""A target, and the folders that come before `sys.path`."""

_MEMORY: dict[Key, tuple[Signature, dict[str, Stamp], dict[str, list[str] | None]]] = {}
_ROOTS: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
_OWN: list[str] = []


def make_key(target: str, paths: Sequence[str | os.PathLike[str]]) -> Key:
    """The key of a record."""
    return target, tuple(os.fspath(path) for path in paths)


def load(key: Key) -> Signature | None:
    """The record of a target, where there is one that still holds."""
    found = _MEMORY.get(key)
    if found is None:
        found = _read(key)
        if found is None:
            return None
        _MEMORY[key] = found
    signature, files, roots = found
    if _holds(files, roots, key[1]):
        return signature
    _MEMORY.pop(key, None)
    return None


def store(key: Key, signature: Signature, files: Mapping[str, Stamp], roots: Mapping[str, list[str] | None]) -> None:
    """Keep a record. A folder that cannot be written costs time, never an error."""
    _MEMORY[key] = signature, dict(files), dict(roots)
    text = json.dumps(
        {
            "version": _version(),
            "key": [key[0], list(key[1])],
            "files": files,
            "roots": roots,
            "signature": _encode(signature),
        },
        separators=(",", ":"),
    )
    file = _file(key)
    with contextlib.suppress(OSError):
        folder = os.path.dirname(file)  # noqa: PTH120 - pathlib costs more than the calls
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - as above
        temporary = f"{file}.{os.getpid()}-{id(text):x}.tmp"
        try:
            with open(temporary, "x", encoding="utf-8") as stream:  # noqa: PTH123 - as above
                stream.write(text)
            os.replace(temporary, file)  # noqa: PTH105 - as above
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108 - as above
            raise


def forget() -> None:
    """Drop what this process remembers, not what lies on disk."""
    _MEMORY.clear()
    _ROOTS.clear()


def _holds(files: Mapping[str, Stamp], roots: Mapping[str, list[str] | None], paths: tuple[str, ...]) -> bool:
    return all(stamp(file) == tuple(kept) for file, kept in files.items()) and all(
        _root(name, paths) == place for name, place in roots.items()
    )


def _root(name: str, paths: tuple[str, ...]) -> list[str] | None:
    key = (name, paths, tuple(sys.path))
    if key not in _ROOTS:
        found = find_top(name, paths)
        if found is None:
            return None  # it may be installed a moment later
        _ROOTS[key] = found
    return _ROOTS[key]


def _version() -> str:
    """What the records depend on beside their files: this package's own text, and the interpreter."""
    if not _OWN:
        here = os.path.dirname(__file__)  # noqa: PTH120 - as in `store`
        with os.scandir(here) as entries:
            stats = sorted(
                (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries if entry.is_file()
            )
        kinds = stamp(os.path.join(os.path.dirname(here), "kinds.py"))  # noqa: PTH118, PTH120 - as in `store`
        _OWN.append(
            f"{zlib.crc32(repr((stats, kinds)).encode()):08x}-{sys.version_info[0]}.{sys.version_info[1]}-{sys.platform}"
        )
    return _OWN[0]


def _file(key: Key) -> str:
    folder = os.environ.get("RUNNER_CACHE_DIR")
    if not folder:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
        folder = os.path.join(base, "yaml-runner")  # noqa: PTH118 - as in `store`
    name = "".join(each if each.isalnum() or each in "._" else "-" for each in key[0])[-100:]
    mark = zlib.crc32(repr((key, sys.prefix)).encode())
    return os.path.join(folder, "signatures", f"{name}-{mark:08x}.json")  # noqa: PTH118 - as in `store`


def _read(key: Key) -> tuple[Signature, dict[str, Stamp], dict[str, list[str] | None]] | None:
    try:
        with open(_file(key), encoding="utf-8") as stream:  # noqa: PTH123 - as in `store`
            kept = json.load(stream)
        if kept["version"] != _version() or kept["key"] != [key[0], list(key[1])]:
            return None
        return _decode(kept["signature"]), kept["files"], kept["roots"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none there yet, or one that somebody damaged: it is read again from the source


_FIELDS = ("target", "open", "summary", "doc", "bases", "file", "line", "notes")
_PARAMETER_FIELDS = ("name", "annotation", "schema", "default_text", "doc", "slot")


def _encode(signature: Signature) -> dict[str, Any]:
    found = {name: getattr(signature, name) for name in _FIELDS}
    found["parameters"] = [
        {**{name: getattr(each, name) for name in _PARAMETER_FIELDS}, "default": _pack(each.default)}
        for each in signature.parameters
    ]
    return found


def _decode(found: dict[str, Any]) -> Signature:
    parameters = tuple(Parameter(**{**each, "default": _unpack(each["default"])}) for each in found["parameters"])
    return Signature(
        **{**found, "parameters": parameters, "bases": tuple(found["bases"]), "notes": tuple(found["notes"])}
    )


def _pack(value: Any) -> Any:  # noqa: PLR0911 - one case after the other
    """A default as JSON; what JSON has no form for is tagged."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mark):
        return {"mark": value.value}
    if isinstance(value, list):
        return [_pack(each) for each in value]
    if isinstance(value, dict):
        return {"dict": [[_pack(key), _pack(each)] for key, each in value.items()]}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return {type(value).__name__: [_pack(each) for each in value]}


def _unpack(value: Any) -> Any:  # noqa: PLR0911 - as `_pack`
    if isinstance(value, list):
        return [_unpack(each) for each in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "mark":
        return REQUIRED if content == REQUIRED.value else UNKNOWN
    if tag == "dict":
        return {_unpack(key): _unpack(each) for key, each in content}
    if tag == "bytes":
        return bytes(content)
    if tag == "complex":
        return complex(*content)
    return {"tuple": tuple, "set": set, "frozenset": frozenset}[tag](_unpack(each) for each in content)
