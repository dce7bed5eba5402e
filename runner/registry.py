"""MMEngine's registries, as a thin face on the catalog: `@METRICS.register_module()`, `.get(name)`, `.build(cfg)`.

They are for code of the same process; an installed package offers its components through its entry point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from runner.errors import RegistryError
from runner.kinds import kinds_of
from runner.plugin import LOCAL, PROCESS_ENTRIES, Entry, default_plugins

__all__ = [
    "DATASETS",
    "DATA_SAMPLERS",
    "EVALUATOR",
    "FUNCTIONS",
    "HOOKS",
    "INFERENCERS",
    "LAUNCHERS",
    "LOG_PROCESSORS",
    "LOOPS",
    "METRICS",
    "MODELS",
    "MODEL_WRAPPERS",
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "RUNNERS",
    "STORAGES",
    "STRATEGIES",
    "TASK_UTILS",
    "TRANSFORMS",
    "VISBACKENDS",
    "VISUALIZERS",
    "WEIGHT_INITIALIZERS",
    "Registry",
]

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """One drawer of components.

    Args:
        name: One of the registries in `runner.kinds`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._kinds = kinds_of(name)

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
        before = [entry for entry in PROCESS_ENTRIES if entry.registry == self.name and entry.name == name]
        if before and not force:
            raise RegistryError(f"'{name}' is already registered in {self.name}; pass force=True to replace it")
        for entry in before:
            PROCESS_ENTRIES.remove(entry)
        PROCESS_ENTRIES.append(
            Entry(
                kind=self._kind_of(obj),
                name=name,
                plugin=LOCAL,
                target=f"{obj.__module__}:{obj.__qualname__}",
                obj=obj,
                force=force,
            )
        )

    def _kind_of(self, obj: Callable[..., Any]) -> str:
        """The most special kind whose base class the object derives from; the registry's first kind otherwise."""
        lineage = {f"{cls.__module__}:{cls.__qualname__}" for cls in getattr(obj, "__mro__", ())}
        for kind in self._kinds[1:]:
            if kind.base in lineage:
                return kind.name
        return self._kinds[0].name

    def get(self, key: str) -> Any:
        """The class behind a name, imported now; None where nobody offers it."""
        from runner.build import load_entry

        try:
            return load_entry(default_plugins().catalog.resolve(self._kinds[0].name, key))
        except RegistryError:
            return None

    def build(self, cfg: Mapping[str, Any] | object, **default_args: Any) -> Any:
        """Build a component from a mapping with `type`; what is no mapping is returned as it is.

        Args:
            cfg: The component's name under `type`, and its arguments.
            **default_args: Arguments that hold where `cfg` does not give them.

        Raises:
            RegistryError: The type is unknown or ambiguous.
            BuildError: The constructor refused its arguments.
        """
        from runner.build import Builder

        return Builder(default_plugins().catalog).build(self._kinds[0].name, cfg, **default_args)

    def __contains__(self, key: str) -> bool:
        try:
            default_plugins().catalog.resolve(self._kinds[0].name, key)
        except RegistryError:
            return False
        return True

    def __len__(self) -> int:
        return sum(entry.registry == self.name for entry in default_plugins().catalog)

    def __repr__(self) -> str:
        return f"Registry({self.name!r}, {len(self)} components)"


RUNNERS = Registry("RUNNERS")
STRATEGIES = Registry("STRATEGIES")
LOOPS = Registry("LOOPS")
HOOKS = Registry("HOOKS")
MODELS = Registry("MODELS")
MODEL_WRAPPERS = Registry("MODEL_WRAPPERS")
WEIGHT_INITIALIZERS = Registry("WEIGHT_INITIALIZERS")
OPTIMIZERS = Registry("OPTIMIZERS")
OPTIM_WRAPPERS = Registry("OPTIM_WRAPPERS")
OPTIM_WRAPPER_CONSTRUCTORS = Registry("OPTIM_WRAPPER_CONSTRUCTORS")
PARAM_SCHEDULERS = Registry("PARAM_SCHEDULERS")
DATASETS = Registry("DATASETS")
DATA_SAMPLERS = Registry("DATA_SAMPLERS")
TRANSFORMS = Registry("TRANSFORMS")
FUNCTIONS = Registry("FUNCTIONS")
EVALUATOR = Registry("EVALUATOR")
METRICS = Registry("METRICS")
VISUALIZERS = Registry("VISUALIZERS")
VISBACKENDS = Registry("VISBACKENDS")
LOG_PROCESSORS = Registry("LOG_PROCESSORS")
LAUNCHERS = Registry("LAUNCHERS")
STORAGES = Registry("STORAGES")
INFERENCERS = Registry("INFERENCERS")
TASK_UTILS = Registry("TASK_UTILS")
