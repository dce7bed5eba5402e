"""The instance that belongs to the Runner at work, for code that is not handed the Runner; and instances by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from typing_extensions import Self

__all__ = ["Current"]

_FALLBACK = "runner"


class Current:
    """Gives a class `get_current_instance()`, which asks a context variable, and `get_instance(name)`.

    A class that derives from this one directly has a variable and a table of names of its own, which its subclasses
    share. What a Runner makes is in the variable while it works, and never in the table: two Runners in two threads or
    tasks don't see each other's instances, and nothing of a Runner outlives it.
    """

    _current: ClassVar[ContextVar[Any]]
    _named: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Current in cls.__bases__:
            cls._current = ContextVar(cls.__qualname__, default=None)
            cls._named = {}

    @property
    def instance_name(self) -> str:
        """The name that `get_instance` knows it by."""
        name: str = getattr(self, "name", "")
        return name

    @classmethod
    def get_instance(cls, name: str, **kwargs: Any) -> Self:
        """The instance of that name: that of the Runner at work if it is called so, else one that is made once and kept.

        Args:
            name: Its name.
            **kwargs: The constructor's other arguments, where it is made now.
        """
        if not isinstance(name, str):
            raise TypeError(f"{cls.__name__}.get_instance: name must be a string, got {type(name).__name__}")
        found = cls._find(name)
        if found is None:
            found = cls._named[name] = cls(name=name, **kwargs)  # type: ignore[call-arg]  # every subclass has a name
        instance: Self = found
        return instance

    @classmethod
    def check_instance_created(cls, name: str) -> bool:
        """Whether there is an instance of that name."""
        return cls._find(name) is not None

    @classmethod
    def _find(cls, name: str) -> Any:
        current = cls._current.get()
        return current if current is not None and current.instance_name == name else cls._named.get(name)

    @classmethod
    def get_current_instance(cls) -> Self:
        """The instance of the Runner at work here; where none is, the one that `get_instance` made last, or a new one."""
        instance = cls._current.get()
        if instance is None:
            instance = next(reversed(cls._named.values()), None) or cls.get_instance(_FALLBACK)
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
