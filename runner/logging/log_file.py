"""The files that messages go to: one for each process where that is asked for, or such as turn over by size or time."""

from __future__ import annotations

import getpass
import logging
import logging.handlers
import os
import socket
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import torch
from typing_extensions import Required, TypedDict

from runner.logging.line_file import LineFile

__all__ = ["FileHandlerCfg", "LogFile", "log_file_of", "open_log"]

_HANDLERS: Final[dict[str, type[logging.FileHandler]]] = {
    "FileHandler": logging.FileHandler,
    "RotatingFileHandler": logging.handlers.RotatingFileHandler,
    "TimedRotatingFileHandler": logging.handlers.TimedRotatingFileHandler,
    "WatchedFileHandler": logging.handlers.WatchedFileHandler,
}


class FileHandlerCfg(TypedDict, total=False):
    """A file handler of the standard library's, and its arguments under their own names.

    Attributes:
        type: Which one.
        filename: The file, where it is not the logger's.
        mode: How it is opened, `a` or `w`.
        encoding: How text is encoded.
        delay: Whether the file is made with the first message.
        errors: What is done with a character that cannot be encoded.
        maxBytes: The size at which a `RotatingFileHandler` begins a new file; 0 for never.
        backupCount: How many old files are kept.
        when: The unit in which a `TimedRotatingFileHandler` counts.
        interval: How many of them one file lasts.
        utc: Whether it counts in UTC.
    """

    type: Required[Literal["FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler", "WatchedFileHandler"]]
    filename: str
    mode: Literal["a", "w"]
    encoding: str
    delay: bool
    errors: str
    maxBytes: int  # the standard library's names
    backupCount: int
    when: str
    interval: int
    utc: bool


class LogFile(Protocol):
    """What takes whole lines, one after the other."""

    def append(self, line: str) -> None:
        """Append a line; it is given without its end."""

    def close(self) -> None:
        """Close the file until the next line."""


class _HandledFile:
    """Hands lines to a file handler of the standard library's, which opens its file again after `close`."""

    def __init__(self, handler: type[logging.FileHandler], arguments: dict[str, Any]) -> None:
        Path(arguments["filename"]).parent.mkdir(parents=True, exist_ok=True)
        self._arguments = arguments
        self._handler: logging.FileHandler | None = None
        self._make = handler

    def append(self, line: str) -> None:
        if self._handler is None:
            self._handler = self._make(**self._arguments)
            self._handler.setFormatter(logging.Formatter("%(message)s"))
            # What comes after `close` goes on in the same file, whatever the mode.
            if "mode" in self._arguments:
                self._arguments["mode"] = "a"
        self._handler.emit(logging.LogRecord("runner", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        if self._handler is not None:
            self._handler.close()
            self._handler = None


def open_log(path: Path, mode: str, handler: FileHandlerCfg | None) -> LogFile:
    """A file for messages, made with the first of them.

    Args:
        path: The file.
        mode: `w` to begin it anew, `a` to append to what is there.
        handler: The handler that writes it, in place of our own.

    Raises:
        ValueError: The mode is neither, or the handler is not one of the standard library's for files.
    """
    if handler is None:
        return LineFile(path, mode)
    arguments: dict[str, Any] = {"filename": str(path), **handler}
    named = arguments.pop("type", None)
    if named not in _HANDLERS:
        raise ValueError(f"file_handler_cfg: type must be one of {', '.join(_HANDLERS)}, got {named!r}")
    return _HandledFile(_HANDLERS[named], arguments)


def log_file_of(path: Path, rank: int) -> Path:
    """The file of one process: `NAME_USER@HOST_deviceD_rankR.log`, with the device's number on its machine."""
    parts = [path.stem, _host(), f"device{_device()}", f"rank{rank}"]
    return path.with_name("_".join(part for part in parts if part) + path.suffix)


def _host() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError, ImportError):  # a container may run as a user that has no name
        return ""


def _device() -> str:
    number = int(os.environ.get("LOCAL_RANK", "0"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if torch.cuda.is_available() else []
    return visible[number] if number < len(visible) and visible[number] else str(number)
