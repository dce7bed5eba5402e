"""Where messages go: a line for people on the console and in a text file, and the same as JSON lines."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger
from typing_extensions import Self

from runner.dist import get_rank, get_world_size
from runner.logging.bridge import forwarded
from runner.logging.console import Console
from runner.logging.current import Current
from runner.logging.log_file import FileHandlerCfg, LogFile, log_file_of, open_log
from runner.masking import mask, mask_texts

__all__ = ["MMLogger", "print_log"]

_COLORS: Final = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_LEVELS: Final[dict[str, int]] = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_ENCODER: Final = json.JSONEncoder(default=str)
_RESET: Final = "\x1b[0m"


class MMLogger(Current):
    """Writes messages to the console, to a text file and, as JSON lines, to a file beside it.

    Messages may hold `%` placeholders and take fields: `logger.info("saved %s", name, step=3)`. structlog is not
    configured globally, so that a program around the Runner keeps its own logging. On ranks other than 0 the console
    gets errors only; they write no files, unless each process is to have its own.

    Args:
        name: The name of the run, which `get_instance` knows the logger by.
        logger_name: Stands in every line.
        log_file: The text file; the JSON lines go to the file of that name with the suffix `.jsonl`. None for neither.
        log_level: The least severe level that is written: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`, or a number.
        file_mode: `w` begins the files anew, `a` appends to what is there.
        distributed: Let each of several processes write files of its own, `NAME_USER@HOST_deviceD_rankR.log`, as the
            level `DEBUG` does too.
        file_handler_cfg: A file handler of the standard library's that writes the files, such as one that begins a new
            file at some size.
        rank: The process's number; None asks the process group.
        console: The terminal; None is one on the standard output.
    """

    def __init__(
        self,
        name: str = "runner",
        logger_name: str = "runner",
        log_file: str | Path | None = None,
        log_level: int | str = "INFO",
        file_mode: str = "w",
        distributed: bool = False,
        file_handler_cfg: FileHandlerCfg | None = None,
        *,
        rank: int | None = None,
        console: Console | None = None,
    ) -> None:
        self.name = name
        self.rank = get_rank() if rank is None else rank
        self.console = Console() if console is None else console
        self.log_file = Path(log_file) if log_file is not None else None
        own_file = (distributed or _number(log_level) <= logging.DEBUG) and get_world_size() > 1
        if self.log_file is not None and own_file:
            self.log_file = log_file_of(self.log_file, self.rank)
        self._writes_files = self.log_file is not None and (self.rank == 0 or own_file)
        files: tuple[LogFile, LogFile] | None = None
        if self.log_file is not None and self._writes_files:
            files = _opened(self.log_file, file_mode, file_handler_cfg)
        self._sink = _Sink(logger_name, self.console, files)
        self.setLevel(log_level)

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - the standard library's name for it
        """Write messages of this level and of more severe ones."""
        self.level = _number(level)
        self._sink.console_level = self.level if self.rank == 0 else max(self.level, logging.ERROR)
        least = self.level if self._writes_files else self._sink.console_level
        bound: FilteringBoundLogger = structlog.wrap_logger(
            self._sink,
            processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, _hand_over],
            wrapper_class=structlog.make_filtering_bound_logger(least),
            context_class=dict,
        ).bind()
        self._bound = bound

    def debug(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write what helps to find a mistake."""
        self._bound.debug(str(msg), *args, **fields)

    def info(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write what happens. With `transient=True` a terminal with a progress line does not show it."""
        self._bound.info(str(msg), *args, **fields)

    def warning(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write what is probably not meant."""
        self._bound.warning(str(msg), *args, **fields)

    def error(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write what failed."""
        self._bound.error(str(msg), *args, **fields)

    def critical(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write what ends the run."""
        self._bound.critical(str(msg), *args, **fields)

    def exception(self, msg: Any, *args: Any, **fields: Any) -> None:
        """Write an error with the traceback of the exception that is being handled."""
        self._bound.error(str(msg), *args, exc_info=True, **fields)

    def log(self, level: int | str, msg: Any, *args: Any, **fields: Any) -> None:
        """Write a message of any level."""
        self._bound.log(_number(level), str(msg), *args, **fields)

    @contextmanager
    def current(self) -> Iterator[Self]:
        """Make this the current logger for the length of a `with` block, also for what our modules have to say."""
        with super().current(), forwarded(self.log, self.level, lambda: self._current.get() is self):
            yield self

    def close(self) -> None:
        """Close the files; the next message opens them again."""
        self._sink.close()


def print_log(msg: Any, logger: Any = None, level: int | str = "INFO") -> None:
    """Write a message.

    Args:
        msg: The message.
        logger: A logger; `current` is the one of the Runner at work, `silent` writes nothing, any other string is the
            name of one of our loggers or, if none is called so, of one of the standard library's; None writes to the
            standard output.
        level: How severe it is.

    Raises:
        TypeError: `logger` is none of these.
    """
    if logger is None:
        Console().write(mask(str(msg)))
    elif logger == "silent":
        return
    elif logger == "current":
        MMLogger.get_current_instance().log(level, "%s", msg)
    elif isinstance(logger, str):
        ours = MMLogger.check_instance_created(logger)
        target = MMLogger.get_instance(logger) if ours else logging.getLogger(logger)
        target.log(_number(level), "%s", msg)
    elif callable(getattr(logger, "log", None)):
        logger.log(_number(level), "%s", msg)
    else:
        raise TypeError(
            f"print_log: logger must be a logger, a string or None, got {type(logger).__name__}; "
            "'current' is the one of the Runner at work"
        )


class _Sink:
    """The end of the chain: writes one event to every place."""

    def __init__(self, name: str, console: Console, files: tuple[LogFile, LogFile] | None) -> None:
        self._name = name
        self._console = console
        self._text: LogFile | None
        self._json: LogFile | None
        self._text, self._json = files or (None, None)
        self.console_level = logging.NOTSET
        self._second = dt.datetime.fromtimestamp(0, dt.timezone.utc)
        self._until = 0.0
        self._clock = ""

    def write(self, event: MutableMapping[str, Any]) -> None:
        message, level = mask(str(event.pop("event"))), str(event.pop("level"))
        transient = event.pop("transient", False)
        exception = mask(event.pop("exception", None) or "")
        event = mask_texts(dict(event))
        line = f"{message}{mask(''.join(f'  {name}={value}' for name, value in event.items()))}"
        if exception:
            line = f"{line}\n{exception}"
        head = f"{self._time()} - {self._name} - "
        if self._text is not None and self._json is not None:
            self._text.append(f"{head}{level.upper()} - {line}")
            record = {"timestamp": self._second.isoformat(), "level": level, "event": message, **event}
            if exception:
                record["exception"] = exception
            self._json.append(mask(_ENCODER.encode(record)))
        live = self._console.live
        if (live and transient) or _LEVELS.get(level.upper(), logging.INFO) < self.console_level:
            return
        color = _COLORS.get(level) if live else None
        shown = f"{color}{level.upper()}{_RESET}" if color else level.upper()
        self._console.write(f"{head}{shown} - {line}")

    debug = info = warning = error = critical = write

    def _time(self) -> str:
        """The time as people read it, to the second."""
        now = time.time()
        if not self._until - 1 <= now < self._until:
            self._second = dt.datetime.fromtimestamp(int(now), dt.timezone.utc).astimezone()
            self._until = int(now) + 1.0
            self._clock = self._second.strftime("%m/%d %H:%M:%S")
        return self._clock

    def close(self) -> None:
        for file in (self._text, self._json):
            if file is not None:
                file.close()


def _opened(path: Path, mode: str, handler: FileHandlerCfg | None) -> tuple[LogFile, LogFile]:
    """The text file, and beside it the one of JSON lines."""
    if handler is None:
        return open_log(path, mode, None), open_log(path.with_suffix(".jsonl"), mode, None)
    text = Path(handler.get("filename", path))
    return (
        open_log(text, mode, {**handler, "filename": str(text)}),
        open_log(text, mode, {**handler, "filename": str(text.with_suffix(".jsonl"))}),
    )


def _hand_over(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[MutableMapping[str, Any]], dict[str, Any]]:
    """Give the sink the whole event as one argument."""
    return (event,), {}


def _number(level: int | str) -> int:
    if isinstance(level, int):
        return level
    if level.upper() not in _LEVELS:
        raise ValueError(f"no log level '{level}'; there are {', '.join(_LEVELS)}")
    return _LEVELS[level.upper()]
