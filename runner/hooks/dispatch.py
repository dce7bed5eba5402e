"""Who is called at a point, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast, overload

from runner.errors import BuildError
from runner.hooks.hook import Hook, overrides
from runner.hooks.priority import Priority, get_priority

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["HookList"]


class HookList(Sequence[Hook]):
    """The hooks of a run, sorted by priority, equal ones by registration.

    For each point the methods of the hooks that override it are looked up once and kept, so that a hook costs nothing
    at a point that it does not override, and a point without hooks costs one look-up. Any name is a point: a custom
    loop may call methods of its own invention.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks: list[Hook] = []
        self._methods: dict[str, tuple[Callable[..., Any], ...]] = {}
        for hook in hooks:
            self.add(hook)

    def add(self, hook: Hook, priority: int | str | Priority | None = None) -> None:
        """Put a hook behind those of its priority.

        Args:
            hook: The hook.
            priority: Replaces the hook's own priority.

        Raises:
            BuildError: It is no hook, or the priority is none.
        """
        if not isinstance(cast("object", hook), Hook):
            kind = type(hook).__name__
            raise BuildError(f"a hook must derive from runner.hooks.Hook, but this is an object of type {kind}")
        if priority is not None:
            hook.priority = priority
        rank = get_priority(hook.priority)
        place = len(self._hooks)
        while place and get_priority(self._hooks[place - 1].priority) > rank:
            place -= 1
        self._hooks.insert(place, hook)
        self._methods.clear()

    def at(self, point: str) -> tuple[Callable[..., Any], ...]:
        """Return the bound methods to call at a point, in order."""
        methods = self._methods.get(point)
        if methods is None:
            methods = tuple(getattr(hook, point) for hook in self._hooks if overrides(hook, point))
            self._methods[point] = methods
        return methods

    def call(self, runner: Runner, point: str, **arguments: Any) -> None:
        """Call every hook that overrides a point.

        Args:
            runner: Passed on as the first argument.
            point: The name of the method.
            **arguments: Passed on by keyword.
        """
        methods = self._methods.get(point)
        if methods is None:
            methods = self.at(point)
        for method in methods:
            method(runner, **arguments)

    @contextmanager
    def phase(self, runner: Runner, what: str) -> Iterator[None]:
        """Call `before_phase` and `after_phase` around work between steps, of which their length says nothing.

        Args:
            runner: Passed on as the first argument.
            what: What the run does meanwhile, as the end of a sentence: `saves a checkpoint`.
        """
        self.call(runner, "before_phase", what=what)
        try:
            yield
        finally:
            self.call(runner, "after_phase")

    def __len__(self) -> int:
        return len(self._hooks)

    @overload
    def __getitem__(self, index: int) -> Hook: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hook]: ...
    def __getitem__(self, index: int | slice) -> Hook | list[Hook]:
        return self._hooks[index]

    def __repr__(self) -> str:
        return f"HookList([{', '.join(type(hook).__name__ for hook in self._hooks)}])"
