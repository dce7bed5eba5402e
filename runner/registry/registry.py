"""`Registry`: one drawer of the catalog, or one of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from runner.errors import RegistryError
from runner.kinds import Kind, kinds_of
from runner.plugin import LOCAL, PROCESS_ENTRIES, Entry, default_plugins
from runner.registry.scope import DefaultScope

__all__ = ["Modules", "Registry"]

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """A drawer of components.

    The registries of this package are faces on the catalog: what plugins offer is in them. One with a `parent` shares
    the parent's drawer, and what is registered by it has a scope of its own: `scope.Name` where a name is offered twice.
    One with neither a parent nor a name of `runner.kinds` is a table of its own.

    Args:
        name: Its name.
        build_func: Builds a component, called with the mapping, what `build` is given, and `registry`.
        parent: The registry whose drawer it shares.
        scope: Whose components they are; by default the top-level package that makes the registry.
        locations: Modules that register into it, imported when something is first looked up by it.
    """

    def __init__(
        self,
        name: str,
        build_func: Callable[..., Any] | None = None,
        parent: Registry | None = None,
        scope: str | None = None,
        locations: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.parent = parent
        self.scope = scope if scope is not None else _package_of_caller()
        self.children: dict[str, Registry] = {}
        self.build_func: Callable[..., Any] | None = build_func
        self._locations = list(locations)
        self._kinds: tuple[Kind, ...] = kinds_of(name)
        self._table: dict[str, Any] | None = None if self._kinds else {}
        if parent is not None:
            self._join(parent)

    def _join(self, parent: Registry) -> None:
        """Share a parent's drawer."""
        if self.scope in parent.children:
            raise RegistryError(f"{parent.name} has a child of the scope '{self.scope}' already; give another scope")
        parent.children[self.scope] = self
        self.build_func = self.build_func or parent.build_func
        self._kinds, self._table = parent._kinds, parent._table

    @property
    def root(self) -> Registry:
        """The registry at the top of its parents."""
        return self if self.parent is None else self.parent.root

    @property
    def module_dict(self) -> MutableMapping[str, Any]:
        """What is offered, by name; what is deleted from it or set in it is that of this process."""
        return Modules(self)

    @staticmethod
    def infer_scope() -> str:
        """The top-level package that calls the function that calls this."""
        return _package_of_caller()

    @staticmethod
    def split_scope_key(key: str) -> tuple[str | None, str]:
        """`scope.Name` as its two parts; None for a name without a scope."""
        scope, dot, name = key.partition(".")
        return (scope, name) if dot else (None, key)

    @overload
    def register_module(
        self, name: str | list[str] | None = None, force: bool = False, module: None = None
    ) -> Callable[[T], T]: ...

    @overload
    def register_module(self, name: str | list[str] | None = None, force: bool = False, *, module: T) -> T: ...

    def register_module(
        self, name: str | list[str] | None = None, force: bool = False, module: T | None = None
    ) -> T | Callable[[T], T]:
        """Offer a class or function of this process; a decorator, or called with `module`.

        Args:
            name: Its name or names in a config, by default its `__name__`.
            force: Replace one that was registered before, and win over a plugin's component of the same name.
            module: The class, when not used as a decorator.

        Raises:
            RegistryError: The name is taken and `force` is not given.
        """
        if module is None:

            def decorate(decorated: T) -> T:
                return self.register_module(name, force, module=decorated)

            return decorate
        names = [name] if isinstance(name, str) else name or [module.__name__]
        for each in names:
            self._add(each, module, force)
        return module

    def _add(self, name: str, obj: Callable[..., Any], force: bool) -> None:
        taken = name in self._table if self._table is not None else bool(self._own_entries(name))
        if taken and not force:
            raise RegistryError(f"'{name}' is already registered in {self.name}; pass force=True to replace it")
        if self._table is not None:
            self._table[name] = obj
            return
        self._remove(name)
        PROCESS_ENTRIES.append(
            Entry(
                kind=self._kind_of(obj),
                name=name,
                plugin=self._plugin,
                target=f"{obj.__module__}:{obj.__qualname__}",
                obj=obj,
                force=force,
            )
        )

    def _remove(self, name: str) -> None:
        for entry in self._own_entries(name):
            PROCESS_ENTRIES.remove(entry)

    def _own_entries(self, name: str) -> list[Entry]:
        """What this process has registered by this registry under a name."""
        drawer = self.root.name
        return [
            entry
            for entry in PROCESS_ENTRIES
            if entry.registry == drawer and entry.name == name and entry.plugin == self._plugin
        ]

    @property
    def _plugin(self) -> str:
        """Whose components those of this process are."""
        return LOCAL if self.parent is None else self.scope

    def _kind_of(self, obj: Callable[..., Any]) -> str:
        """The most special kind whose base class the object derives from; the registry's first kind otherwise."""
        lineage = {f"{cls.__module__}:{cls.__qualname__}" for cls in getattr(obj, "__mro__", ())}
        for kind in self._kinds[1:]:
            if kind.base in lineage:
                return kind.name
        return self._kinds[0].name

    def get(self, key: str) -> Any:
        """The class behind a name, imported now; None where nobody offers it.

        Args:
            key: `Name`, or `plugin.Name`.
        """
        from runner.build import load_entry

        self.import_from_location()
        if self._table is not None:
            return self._table.get(key, self._table.get(self.split_scope_key(key)[1]))
        try:
            catalog = default_plugins().catalog
            return load_entry(catalog.resolve(self._kinds[0].name, key, self.preferred(key)))
        except RegistryError:
            return None

    def preferred(self, key: str) -> str | None:
        """The scope that wins for a name: the default scope's where that offers it, else the registry's own."""
        current = DefaultScope.get_current_instance()
        if self._table is not None or self.parent is None:
            return current.scope_name if current is not None else None
        offered = {entry.plugin for entry in default_plugins().catalog.candidates(self.root.name, key)}
        if current is not None and (current.scope_name in offered or self.scope not in offered):
            return current.scope_name
        return self.scope

    def build(self, cfg: Mapping[str, Any] | object, *args: Any, **kwargs: Any) -> Any:
        """Build a component from a mapping with `type`; what is no mapping is returned as it is.

        Args:
            cfg: The component's name under `type`, and its arguments.
            *args: As the first, `default_args`.
            **kwargs: Arguments that hold where `cfg` does not give them; as `default_args`, a mapping of such. A
                `build_func` of the registry's own is called with what is given.

        Raises:
            RegistryError: The type is unknown or ambiguous.
            BuildError: The constructor refused its arguments.
        """
        if self.build_func is not None:
            return self.build_func(cfg, *args, **kwargs, registry=self)
        from runner.registry.building import build_from_cfg

        default_args = args[0] if args else kwargs.pop("default_args", None)
        return build_from_cfg(cfg, self, {**kwargs, **(default_args or {})})

    @contextmanager
    def switch_scope_and_registry(self, scope: str | None) -> Iterator[Registry]:
        """Let another scope win for the length of a `with` block.

        Args:
            scope: The plugin's or registry's scope; None changes nothing.

        Yields:
            The registry of the default scope below the root of this one; this one where there is none.
        """
        with DefaultScope.overwrite_default_scope(scope):
            current = DefaultScope.get_current_instance()
            found = self.root.search_child(current.scope_name) if current is not None else None
            yield self if found in {None, self.root} else found

    def search_child(self, scope: str) -> Registry | None:
        """The registry of a scope among this one and those below it."""
        if self.scope == scope:
            return self
        return next((found for child in self.children.values() if (found := child.search_child(scope))), None)

    def import_from_location(self) -> None:
        """Import the modules that register into this registry, the first time."""
        while self._locations:
            importlib.import_module(self._locations.pop(0))

    def names(self) -> list[str]:
        """The names that are offered, in order."""
        if self._table is not None:
            return sorted(self._table)
        drawer = self.root.name
        return sorted({entry.name for entry in default_plugins().catalog if entry.registry == drawer})

    def __contains__(self, key: str) -> bool:
        if self._table is not None:
            return self.get(key) is not None
        try:
            default_plugins().catalog.resolve(self._kinds[0].name, key, self.preferred(key))
        except RegistryError:
            return False
        return True

    def __len__(self) -> int:
        if self._table is not None:
            return len(self._table)
        return sum(entry.registry == self.root.name for entry in default_plugins().catalog)

    def __repr__(self) -> str:
        return f"Registry({self.name!r}, {len(self)} components)"


class Modules(MutableMapping[str, Any]):
    """A registry's components by name; each is imported when it is asked for.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> Any:
        found = self._registry.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __setitem__(self, name: str, module: Any) -> None:
        self._registry.register_module(name, force=True, module=module)

    def __delitem__(self, name: str) -> None:
        table = self._registry._table  # noqa: SLF001 - its other half
        if table is not None:
            del table[name]
            return
        if not self._registry._own_entries(name):  # noqa: SLF001 - as above
            raise KeyError(name)
        self._registry._remove(name)  # noqa: SLF001 - as above

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names())

    def __len__(self) -> int:
        return len(self._registry.names())

    def __repr__(self) -> str:
        return f"Modules({', '.join(self)})"


def _package_of_caller() -> str:
    """The top-level package of the code that called the caller of this."""
    frame = sys._getframe(2)  # noqa: SLF001 - inspect's way to it takes ten milliseconds to import
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
