"""Instances by name, one table for each class."""

from __future__ import annotations

import inspect
import threading
import warnings
from typing import Any

from typing_extensions import Self

__all__ = ["ManagerMeta", "ManagerMixin"]

_lock = threading.RLock()


class ManagerMeta(type):
    """Gives each class a table of its own, and sees to it that the constructor takes a name."""

    _instance_dict: dict[str, Any]

    def __init__(cls, *args: Any) -> None:
        super().__init__(*args)
        cls._instance_dict = {}
        if "name" not in inspect.signature(cls).parameters:
            raise TypeError(f"{cls.__name__}: the constructor must take the argument 'name', as ManagerMixin's does")


class ManagerMixin(metaclass=ManagerMeta):
    """A class whose instances are found by name from anywhere in the process.

    They live as long as the process. What belongs to a run is better asked of the run: the message hub, the logger and
    the visualizer here are (`get_current_instance` of those gives the one of the Runner at work).

    Args:
        name: The instance's name, not empty.
        **kwargs: For subclasses.
    """

    def __init__(self, name: str = "", **kwargs: Any) -> None:  # noqa: ARG002 - subclasses hand on what they get
        if not name:
            raise ValueError(f"{type(self).__name__}: the name must be a text that is not empty")
        self._instance_name = name

    @classmethod
    def get_instance(cls, name: str, **kwargs: Any) -> Self:
        """The class's instance of that name, made with the arguments where there is none yet.

        Args:
            name: Its name.
            **kwargs: For the constructor; with an instance that is there already they mean nothing, which is warned of.
        """
        if not isinstance(name, str):
            raise TypeError(f"{cls.__name__}.get_instance: the name is a {type(name).__name__}; it must be a text")
        with _lock:
            if name not in cls._instance_dict:
                cls._instance_dict[name] = cls(name=name, **kwargs)
            elif kwargs:
                warnings.warn(
                    f"{cls.__name__} '{name}' is there already; the arguments {', '.join(kwargs)} are not used",
                    stacklevel=2,
                )
            found: Self = cls._instance_dict[name]
            return found

    @classmethod
    def get_current_instance(cls) -> Self | None:
        """The class's instance that was made last.

        Raises:
            RuntimeError: There is none.
        """
        with _lock:
            for found in reversed(cls._instance_dict.values()):
                current: Self = found
                return current
        raise RuntimeError(f"{cls.__name__}.get_current_instance: call {cls.__name__}.get_instance(name) first")

    @classmethod
    def check_instance_created(cls, name: str) -> bool:
        """Whether the class has an instance of that name."""
        return name in cls._instance_dict

    @property
    def instance_name(self) -> str:
        """The instance's name."""
        return self._instance_name
