"""Whose components win while something is built: MMEngine's default scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from runner.errors import RegistryError

__all__ = ["DefaultScope", "init_default_scope"]

_overwritten: ContextVar[DefaultScope | None] = ContextVar("DefaultScope", default=None)
_made: dict[str, DefaultScope] = {}


class DefaultScope:
    """The plugin that wins where several offer a name, for code that builds components outside of a Runner.

    A Runner and what it builds go by the config's `default_scope`.

    Args:
        name: The scope's name in this process.
        scope_name: The plugin, or the scope of a registry.
    """

    def __init__(self, name: str, scope_name: str) -> None:
        if not isinstance(scope_name, str):
            raise RegistryError(f"DefaultScope: scope_name is a {type(scope_name).__name__}; it must be a text")
        self._name = name
        self._scope_name = scope_name

    @property
    def scope_name(self) -> str:
        """The plugin that wins."""
        return self._scope_name

    @property
    def instance_name(self) -> str:
        """The scope's name in this process."""
        return self._name

    @classmethod
    def get_instance(cls, name: str, scope_name: str | None = None) -> DefaultScope:
        """The scope of that name, made now where there is none; the one that is made last is the current one."""
        if name not in _made:
            if scope_name is None:
                raise RegistryError(f"DefaultScope: there is no scope '{name}' yet; give scope_name to make it")
            _made[name] = cls(name, scope_name)
        return _made[name]

    @classmethod
    def check_instance_created(cls, name: str) -> bool:
        """Whether there is a scope of that name."""
        return name in _made

    @classmethod
    def get_current_instance(cls) -> DefaultScope | None:
        """The scope that holds here: of the block that overwrites it, else the one made last; None where there is none."""
        return _overwritten.get() or next(reversed(_made.values()), None)

    @classmethod
    @contextmanager
    def overwrite_default_scope(cls, scope_name: str | None) -> Iterator[None]:
        """Let another plugin win for the length of a `with` block; None changes nothing."""
        if scope_name is None:
            yield
            return
        token = _overwritten.set(cls(f"overwrite-{scope_name}", scope_name))
        try:
            yield
        finally:
            _overwritten.reset(token)


def init_default_scope(scope: str) -> None:
    """Let a plugin win in this process from now on.

    Args:
        scope: The plugin, or the scope of a registry.
    """
    _made.pop(scope, None)  # the last one made is the current one
    DefaultScope.get_instance(scope, scope_name=scope)
