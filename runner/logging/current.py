"""The instance that belongs to the Runner at work, for code that is not handed the Runner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from typing_extensions import Self

__all__ = ["Current"]


class Current:
    """Gives a class `get_current_instance()`, which asks a context variable and no registry of instances.

    A class that derives from this one directly has a variable of its own, which its subclasses share. Two Runners in
    two threads or tasks don't see each other's instances.
    """

    _current: ClassVar[ContextVar[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Current in cls.__bases__:
            cls._current = ContextVar(cls.__qualname__, default=None)

    @classmethod
    def get_current_instance(cls) -> Self:
        """The instance of the Runner at work here; where none is, one that stays current until a Runner starts."""
        instance = cls._current.get()
        if instance is None:
            instance = cls()
            cls._current.set(instance)
        found: Self = instance
        return found

    @contextmanager
    def current(self) -> Iterator[Self]:
        """Make this the current instance for the length of a `with` block."""
        token = self._current.set(self)
        try:
            yield self
        finally:
            self._current.reset(token)
