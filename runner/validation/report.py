"""The problems of several configs, told apart by the config that they were found in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import Location, Problem

__all__ = ["Report", "each_once", "in_a_file", "slashed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one config.

    Attributes:
        config: Its file, as it was given.
        problems: Sorted by place; some stand in a file that it builds on, or on the command line.
        sources: Each file's text, by the name that the problems' origins use.
    """

    config: str
    problems: Sequence[Problem]
    sources: Mapping[str, str]


def each_once(reports: Sequence[Report]) -> Iterator[tuple[Report, Problem]]:
    """Every problem with the first config that has it: several may build on the file that it stands in."""
    seen: set[Problem] = set()
    for report in reports:
        for problem in report.problems:
            if problem not in seen:
                seen.add(problem)
                yield report, problem


def in_a_file(origin: Location | None) -> bool:
    """Whether a place is one in a file, and not on the command line or in code that was never saved."""
    return origin is not None and not origin.file.startswith("<")


def slashed(file: str, root: Path) -> str:
    """A file's name from a root, with slashes; of one that lies elsewhere its whole path."""
    whole = os.path.abspath(file)  # noqa: PTH100 - pathlib keeps `..`
    try:
        return Path(whole).relative_to(os.path.normpath(root.absolute())).as_posix()
    except ValueError:
        return Path(whole).as_posix()
