"""When a hook is called among the others: the lower its number, the earlier."""

from __future__ import annotations

from enum import Enum
from typing import Final

from runner.errors import BuildError

__all__ = ["Priority", "get_priority"]

LAST: Final = 100


class Priority(Enum):
    """The named levels. Lower ones are called first; equal ones in the order of their registration."""

    HIGHEST = 0
    VERY_HIGH = 10
    HIGH = 30
    ABOVE_NORMAL = 40
    NORMAL = 50
    BELOW_NORMAL = 60
    LOW = 70
    VERY_LOW = 90
    LOWEST = 100


def get_priority(priority: int | str | Priority) -> int:
    """Turn a level's name, a number or a `Priority` into the number.

    Args:
        priority: A number from 0 to 100, a member of `Priority`, or its name in any case.

    Raises:
        BuildError: It is none of these.
    """
    if isinstance(priority, Priority):
        return priority.value
    if isinstance(priority, str):
        level = Priority.__members__.get(priority.upper())
        if level is not None:
            return level.value
    elif type(priority) is int and 0 <= priority <= LAST:
        return priority
    names = ", ".join(Priority.__members__)
    raise BuildError(f"a hook's priority is {priority!r}; it can be {names}, or an integer from 0 to {LAST}")
