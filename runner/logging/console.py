"""The terminal: lines, a progress line that redraws itself, and the summary of a finished run."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

__all__ = ["Console", "ProgressLine", "summary"]

_ERASE: Final = "\r\x1b[2K"
_BAR: Final = 20


class Console:
    """Writes lines to a stream, and on a terminal keeps one line below them that can be redrawn.

    Args:
        stream: Where to write; None is the standard output of the moment, which a notebook may have replaced.
        live: Whether the last line can be redrawn; None asks the stream whether it is a terminal.
    """

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self._stream = stream
        self._live = live
        self._asked: TextIO | None = None
        self._is_terminal = False
        self._drawn = ""

    @property
    def stream(self) -> TextIO:
        """Where lines go."""
        return self._stream if self._stream is not None else sys.stdout

    @property
    def live(self) -> bool:
        """Whether the last line can be redrawn."""
        if self._live is not None:
            return self._live
        stream = self.stream
        if stream is not self._asked:
            self._asked = stream
            self._is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        return self._is_terminal

    def write(self, text: str) -> None:
        """Write a line, above the one that is redrawn."""
        if self._drawn:
            self.stream.write(f"{_ERASE}{text}\n{self._drawn}")
        else:
            self.stream.write(f"{text}\n")
        self.stream.flush()

    def draw(self, text: str) -> None:
        """Put a text in place of the last line; nothing happens where that cannot be done."""
        if not self.live:
            return
        width = shutil.get_terminal_size().columns
        self._drawn = text if len(text) < width else text[: width - 1]
        self.stream.write(_ERASE + self._drawn)
        self.stream.flush()

    def keep(self) -> None:
        """Leave the line that was redrawn where it is, and go on below it."""
        if self._drawn:
            self.stream.write("\n")
            self.stream.flush()
            self._drawn = ""

    def clear(self) -> None:
        """Take the line that was redrawn away."""
        if self._drawn:
            self.stream.write(_ERASE)
            self.stream.flush()
            self._drawn = ""


class ProgressLine:
    """How far the run is, on the last line of a terminal, redrawn ten times a second.

    Args:
        console: The terminal.
        interval: Seconds between two redrawings.
    """

    def __init__(self, console: Console, interval: float = 0.1) -> None:
        self._console = console
        self._interval = interval
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether it is time to redraw; `now` in seconds of any clock that goes forward."""
        if now < self._next:
            return False
        self._next = now + self._interval
        return True

    def draw(self, title: str, done: int, total: int | None, eta: float | None, values: Mapping[str, Any]) -> None:
        """Redraw.

        Args:
            title: What is counted: `Epoch 3/12`.
            done: How many steps are done.
            total: How many there are, if that is known.
            eta: Seconds to the end, if that is known.
            values: What was logged last; the loss and what else people look at is shown.
        """
        self._console.draw("  ".join([f"{title} {_bar(done, total)}", *_readings(values, eta)]))

    def keep(self) -> None:
        """Leave the line as it is and go on below it."""
        self._next = 0.0
        self._console.keep()

    def clear(self) -> None:
        """Take the line away."""
        self._next = 0.0
        self._console.clear()


def _bar(done: int, total: int | None) -> str:
    if not total:
        return str(done)
    filled = min(_BAR, _BAR * done // total)
    return f"[{'=' * filled}{' ' * (_BAR - filled)}] {str(done).rjust(len(str(total)))}/{total}"


def _readings(values: Mapping[str, Any], eta: float | None) -> list[str]:
    """The values that people look at, as far as they were recorded."""
    plain = {name.rpartition("/")[2]: value for name, value in values.items()}
    readings = [
        f"{label}{plain[name]:{form}}{unit}"
        for name, label, form, unit in (
            ("loss", "loss ", ".4f", ""),
            ("lr", "lr ", ".2e", ""),
            ("time", "", ".3f", " s/step"),
            ("data_time", "data ", ".3f", " s"),
        )
        if name in plain
    ]
    if eta is not None:
        readings.append(f"eta {dt.timedelta(seconds=int(eta))}")
    if "memory" in plain:
        readings.append(f"{plain['memory']} MiB")
    return readings


def summary(title: str, rows: Mapping[str, str]) -> str:
    """A title and, indented below it, rows with aligned labels."""
    width = max((len(label) for label in rows), default=0)
    return "\n".join([title, *(f"  {label.ljust(width)}  {text}" for label, text in rows.items())])
