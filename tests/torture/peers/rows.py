"""The rows of the scoreboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import Bench, Found

__all__ = ["ROWS", "Row", "row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A question, and the experiment that answers it.

    Attributes:
        name: Its short name.
        group: What it belongs to.
        title: What a framework that answers with yes does.
        experiment: Makes rounds; each says by `ok` whether the answer is yes.
        needs: The flag of a framework's module without which it has nothing to show.
    """

    name: str
    group: str
    title: str
    experiment: Callable[[Bench, int], list[Found]]
    needs: str | None = None


ROWS: dict[str, Row] = {}


def row(
    name: str, group: str, title: str, experiment: Callable[[Bench, int], list[Found]], needs: str | None = None
) -> None:
    """Add a row."""
    ROWS[name] = Row(name=name, group=group, title=title, experiment=experiment, needs=needs)
