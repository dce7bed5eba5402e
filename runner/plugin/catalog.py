"""Who provides what: names, and where the class behind each lies. Nothing here imports a component."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import Location, Problem, RegistryError
from runner.kinds import KINDS
from runner.plugin.known import PROVIDERS

__all__ = ["LOCAL", "Catalog", "Entry", "Registration"]

LOCAL = "local"
"""The plugin name of components that are registered in the same process or by a file under `custom_imports`."""

SCOPE_ALIASES = {"mmengine": "runner"}
"""Scopes of ported configs whose components are ours."""

_NAMESAKE = 0.75
"""How like a name has to be to be suggested in place of one that another role's component has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A component on offer.

    Attributes:
        kind: Its role, a key of `runner.kinds.KINDS`.
        name: What a config calls it.
        plugin: The plugin that offers it; `local` for code of the same process.
        target: `module:attribute`.
        distribution: The installed distribution that the plugin came with.
        obj: The class itself, where it was registered in this process.
        schema: A JSON Schema of its arguments that refines what the signature says.
        force: Whether it wins over others of the same name.
        location: Where it was registered, when that was read from a file.
    """

    kind: str
    name: str
    plugin: str
    target: str
    distribution: str = ""
    obj: Any = None
    schema: Mapping[str, Any] | None = None
    force: bool = False
    location: Location | None = None

    @property
    def qualified(self) -> str:
        """The name that is never ambiguous."""
        return f"{self.plugin}.{self.name}"

    @property
    def registry(self) -> str:
        """The registry that it lies in."""
        return KINDS[self.kind].registry


class Catalog:
    """Everything on offer, by registry and name.

    Args:
        entries: What is offered from the start.
        problems: What was wrong with plugins while they were asked.
        local: A list, shared with `runner.registry`, of what the process has registered itself.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), *, problems: Iterable[Problem] = (), local: list[Entry] | None = None
    ) -> None:
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        self._local = local if local is not None else []
        self.problems = list(problems)
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Offer one more component.

        Raises:
            RegistryError: The same plugin already offers that name in that registry.
        """
        found = self._entries.setdefault((entry.registry, entry.name), [])
        for other in found:
            if other.plugin == entry.plugin and other.target != entry.target and not entry.force:
                raise RegistryError(
                    f"'{entry.name}' is offered twice in {entry.registry}: as {other.target} and as {entry.target}; rename one"
                )
        found[:] = [other for other in found if other.plugin != entry.plugin]
        found.append(entry)

    def copy(self) -> Catalog:
        """A catalog of its own with the same entries, to add a config's local files to."""
        return Catalog(self, problems=self.problems, local=[])

    def __iter__(self) -> Iterator[Entry]:
        for found in self._entries.values():
            yield from found
        yield from self._local

    def entries(self, kind: str | None = None) -> list[Entry]:
        """What is offered, sorted by kind (in the table's order), name and plugin."""
        order = {name: number for number, name in enumerate(KINDS)}
        chosen = [entry for entry in self if kind is None or entry.kind == kind]
        return sorted(chosen, key=lambda entry: (order[entry.kind], entry.name, entry.plugin))

    def candidates(self, registry: str, name: str) -> list[Entry]:
        """Everyone who offers a short name in a registry."""
        found = list(self._entries.get((registry, name), ()))
        found += [entry for entry in self._local if entry.registry == registry and entry.name == name]
        return found

    def resolve(self, kind: str, name: str, scope: str | None = None) -> Entry:
        """Find the component that a config's `type` means.

        Args:
            kind: The role that it has to play.
            name: `Name` or `plugin.Name`.
            scope: The plugin that wins when several offer the name (`default_scope`).

        Raises:
            RegistryError: Nobody offers it, several do, or it plays another role. Its message says what is allowed.
        """
        registry = KINDS[kind].registry
        found = self.candidates(registry, name)
        if not found and "." in name:
            plugin, _, short = name.partition(".")
            plugin = SCOPE_ALIASES.get(plugin, plugin)
            found = [entry for entry in self.candidates(registry, short) if entry.plugin == plugin]
        if not found:
            raise self._unknown(kind, name)
        entry = self._choose(found, scope)
        if kind not in {entry.kind, _first(registry)}:
            raise RegistryError(f"'{name}' is {KINDS[entry.kind].one}, and {KINDS[kind].one} is needed here")
        return entry

    def _choose(self, found: list[Entry], scope: str | None) -> Entry:
        scope = SCOPE_ALIASES.get(scope, scope) if scope else None
        forced = [entry for entry in found if entry.force]
        scoped = [entry for entry in found if entry.plugin == scope]
        for few in (forced[-1:], scoped, found):
            if len(few) == 1:
                return few[0]
        names = sorted(entry.qualified for entry in found)
        providers = sorted({entry.distribution or f"this run's own code ({entry.plugin})" for entry in found})
        raise RegistryError(
            f"'{found[0].name}' is offered by {' and by '.join(providers)}; write one of "
            f"{', '.join(map(repr, names))}, or set default_scope"
        )

    def _unknown(self, kind: str, name: str) -> RegistryError:
        # Only an unlucky run pays for the import.
        from runner.config.suggest import nearest

        offered = [entry for entry in self if entry.registry == KINDS[kind].registry and _plays(entry, kind)]
        names = sorted({entry.name for entry in offered})
        _, dot, short = name.rpartition(".")
        near = nearest(name, sorted({entry.qualified for entry in offered})) if dot else None
        roles = sorted({entry.kind for entry in self if entry.name == name})
        # What is spelt like another role's component was hardly meant as a name that is less like it.
        near = near or (short if short in names else nearest(short, names, cutoff=_NAMESAKE if roles else None))
        if name in PROVIDERS and not roles:
            instead = f"; or use '{near}'" if near else ""
            return RegistryError(
                f"no installed plugin offers the {kind} '{name}'; {PROVIDERS[name]} does: pip install "
                f"{PROVIDERS[name]}{instead}"
            )
        if near:
            return RegistryError(f"no {kind} is called '{name}'; did you mean '{near}'?", suggestion=near)
        if roles:
            words = " and ".join(KINDS[role].one for role in roles)
            return RegistryError(f"'{name}' is {words}, and {KINDS[kind].one} is needed here")
        return RegistryError(
            f"no installed plugin offers {KINDS[kind].one} called '{name}'; `runner components {kind}` lists what there is"
        )


def _first(registry: str) -> str:
    return next(kind.name for kind in KINDS.values() if kind.registry == registry)


def _plays(entry: Entry, kind: str) -> bool:
    return entry.kind == kind or kind == _first(entry.registry)


class _Declare:
    """A method of `Registration` that declares components of one kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.__doc__ = f"Offer a component of kind {kind}: its name in a config, and its target `module:attribute`."

    def __get__(self, registration: Registration, owner: type) -> Callable[..., None]:
        return functools.partial(registration.add, self._kind)


class Registration:
    """The face of the catalog that one plugin's `runner_register` is given: a method for each kind.

    Args:
        catalog: Where the entries go.
        plugin: The plugin's name.
        distribution: The distribution that it came with.
    """

    runner = _Declare("runner")
    strategy = _Declare("strategy")
    loop = _Declare("loop")
    hook = _Declare("hook")
    model = _Declare("model")
    data_preprocessor = _Declare("data_preprocessor")
    averaged_model = _Declare("averaged_model")
    tta_model = _Declare("tta_model")
    model_wrapper = _Declare("model_wrapper")
    weight_init = _Declare("weight_init")
    optimizer = _Declare("optimizer")
    optim_wrapper = _Declare("optim_wrapper")
    optim_wrapper_constructor = _Declare("optim_wrapper_constructor")
    param_scheduler = _Declare("param_scheduler")
    dataset = _Declare("dataset")
    sampler = _Declare("sampler")
    batch_sampler = _Declare("batch_sampler")
    transform = _Declare("transform")
    function = _Declare("function")
    evaluator = _Declare("evaluator")
    metric = _Declare("metric")
    visualizer = _Declare("visualizer")
    vis_backend = _Declare("vis_backend")
    log_processor = _Declare("log_processor")
    launcher = _Declare("launcher")
    storage = _Declare("storage")
    inferencer = _Declare("inferencer")
    task_util = _Declare("task_util")

    def __init__(self, catalog: Catalog, *, plugin: str, distribution: str) -> None:
        self._catalog = catalog
        self._plugin = plugin
        self._distribution = distribution

    def add(self, kind: str, name: str, target: str, *, schema: Mapping[str, Any] | None = None) -> None:
        """Offer a component.

        Args:
            kind: Its role, a key of `runner.kinds.KINDS`.
            name: What a config calls it.
            target: `module:attribute`; not imported before it is built.
            schema: A JSON Schema of its arguments, where the signature can't say enough: `properties` are merged
                into what is read, keyword by keyword (`{"lr": {"minimum": 0}}` bounds a number, one that says what
                the value is takes the place of the annotation); `required` and `additionalProperties` replace.

        Raises:
            RegistryError: An unknown kind, a target of another form, or a name that this plugin already offers.
        """
        if kind not in KINDS:
            raise RegistryError(f"'{kind}' is no kind; the kinds are {', '.join(KINDS)}")
        module, colon, attribute = target.partition(":")
        parts = [*module.split("."), *attribute.split(".")]
        if not (colon and all(part.isidentifier() for part in parts)):
            raise RegistryError(f"the target of '{name}' is '{target}'; write 'package.module:Class'")
        self._catalog.add(
            Entry(
                kind=kind,
                name=name,
                plugin=self._plugin,
                target=target,
                distribution=self._distribution,
                schema=schema,
            )
        )
