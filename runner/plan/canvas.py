"""Curves in a terminal, of Braille characters: each has two by four dots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Canvas", "ticks"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot in a character, by row and column."""

_COLORS = ("36", "33", "35", "32", "34", "31")


class Canvas:
    """A field that curves are drawn on.

    Args:
        width: In characters.
        height: In characters.
        x_end: The right end; the left one is 0.
        y_range: The lower and the upper end.
    """

    def __init__(self, width: int, height: int, *, x_end: float, y_range: tuple[float, float]) -> None:
        self.width, self.height = width, height
        self._x_end = x_end or 1.0
        self._low, self._high = y_range
        self._cells = [[0] * width for _ in range(height)]
        self._owner = [[0] * width for _ in range(height)]

    def draw(self, points: Sequence[tuple[float, float]], number: int) -> None:
        """Draw a curve through points.

        Args:
            points: From left to right.
            number: The curve's, which gives its colour.
        """
        places = [self._place(x, y) for x, y in points]
        for (left, one), (right, other) in zip(places, [*places[1:], places[-1]], strict=True):
            steps = max(abs(right - left), abs(other - one), 1)
            for step in range(steps + 1):
                self._dot(
                    round(left + (right - left) * step / steps), round(one + (other - one) * step / steps), number
                )

    def rows(self, *, color: bool) -> list[str]:
        """The lines of text, from the top."""
        return [
            "".join(_shown(cell, owner if color else None) for cell, owner in zip(cells, owners, strict=True)).rstrip()
            for cells, owners in zip(self._cells, self._owner, strict=True)
        ]

    def column(self, x: float) -> int:
        """The character that a place on the x axis falls in."""
        return min(int(x / self._x_end * self.width), self.width - 1)

    def _place(self, x: float, y: float) -> tuple[int, int]:
        spread = (self._high - self._low) or 1.0
        across, up = self.width * 2 - 1, self.height * 4 - 1
        return round(x / self._x_end * across), round((self._high - y) / spread * up)

    def _dot(self, x: int, y: int, number: int) -> None:
        row, column = y // 4, x // 2
        self._cells[row][column] |= _DOTS[y % 4][x % 2]
        self._owner[row][column] = number


def colored(text: str, number: int) -> str:
    """A text in the colour of a curve."""
    return f"\x1b[{_COLORS[number % len(_COLORS)]}m{text}\x1b[0m"


def ticks(end: float, count: int = 4) -> list[int]:
    """Round numbers along an axis from 0, as many as there is room for or fewer.

    Args:
        end: Where the axis ends.
        count: Into how many parts it is to be divided, roughly.
    """
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor * count >= end:
                return list(range(0, int(end) + 1, size * factor))
        size *= 10


def marks(columns: Iterable[int], width: int, mark: str) -> str:
    """A row with a mark in some columns."""
    wanted = set(columns)
    return "".join(mark if column in wanted else " " for column in range(width)).rstrip()


def _shown(cell: int, owner: int | None) -> str:
    if not cell:
        return " "
    return chr(0x2800 + cell) if owner is None else colored(chr(0x2800 + cell), owner)
