"""Find the installed plugins, ask each what it offers, and put what is wrong with one into words that name it."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import os
import site
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from runner.errors import PluginError, Problem, RunnerError
from runner.plugin import hookspecs
from runner.plugin.catalog import LOCAL, SCOPE_ALIASES, Catalog, Entry, Registration

if TYPE_CHECKING:
    import typer

    from runner.config import Config

__all__ = ["PROCESS_ENTRIES", "Plugin", "Plugins", "default_plugins", "discover"]

PROCESS_ENTRIES: list[Entry] = []
"""What code of this process has registered; `runner.registry` adds to it."""

_SPECS = tuple(name for name in vars(hookspecs) if name.startswith("runner_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An installed plugin.

    Attributes:
        name: The entry point's name, the scope of its components.
        module: The light module that the entry point names.
        distribution: The distribution that brought it.
        version: The distribution's version.
        error: Why it could not be used, else None.
    """

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None


class _Manager(pluggy.PluginManager):
    """Takes a function with a spec's name for its implementation: a forgotten `@hookimpl` is no silent nothing."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        """What a plugin's attribute is to pluggy."""
        marked = super().parse_hookimpl_opts(plugin, name)
        if marked is None and name in _SPECS and callable(getattr(plugin, name)):
            hookspecs.hookimpl(getattr(plugin, name))
            marked = super().parse_hookimpl_opts(plugin, name)
        return marked


class Plugins:
    """The plugins of this process: what they offer, and their other specs.

    Attributes:
        catalog: What they offer, with the problems that came up.
        found: Every plugin, also the ones that could not be used.
    """

    def __init__(self, catalog: Catalog, found: Iterable[Plugin], manager: pluggy.PluginManager) -> None:
        self.catalog = catalog
        self.found = tuple(found)
        self._manager = manager

    def check(self, config: Config) -> Iterator[Problem]:
        """What the plugins themselves find wrong with a config (`runner_check`)."""
        for plugin in self.found:
            try:
                found = self._ask(plugin, "runner_check", config=config)
            except PluginError as error:
                yield Problem(code="plugin-error", path=plugin.name, message=str(error))
            else:
                yield from found or ()

    def add_commands(self, app: typer.Typer, plugin: Plugin) -> None:
        """Let a plugin add its commands (`runner_commands`).

        Raises:
            PluginError: It raised.
        """
        self._ask(plugin, "runner_commands", app=app)

    def bases(self, package: str) -> Path | None:
        """The folder of configs that a plugin ships, by the plugin's or its import package's name."""
        for plugin in self.found:
            if package in {plugin.name, plugin.module.partition(".")[0]}:
                try:
                    folder = self._ask(plugin, "runner_bases")
                except PluginError as error:
                    # The config that names it has a problem of its own, at its place; this one says whose fault it is.
                    problem = Problem(code="plugin-error", path=plugin.name, message=str(error))
                    self.catalog.problems += [] if problem in self.catalog.problems else [problem]
                    continue
                if folder is not None:
                    return Path(folder)
        return None

    def _ask(self, plugin: Plugin, spec: str, **given: Any) -> Any:
        """Call one plugin's implementation of a spec; None where it has none."""
        module = self._manager.get_plugin(plugin.name) if plugin.error is None else None
        for implementation in getattr(self._manager.hook, spec).get_hookimpls():
            if implementation.plugin is module:
                try:
                    answer = implementation.function(*(given[name] for name in implementation.argnames))
                    return list(answer) if isinstance(answer, Iterator) else answer
                except (Exception, SystemExit) as error:
                    message = f"{spec} in {plugin.module} raised {type(error).__name__}: {error}"
                    raise PluginError(message, distribution=plugin.distribution) from error
        return None


def discover(paths: Iterable[str] | None = None) -> Plugins:
    """Look at the installed distributions and ask their plugins what they offer.

    Args:
        paths: Folders to look for distributions in; by default `sys.path` without the current folder, so that a
            `.dist-info` planted beside a config is never loaded.
    """
    manager = _Manager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    catalog = Catalog(local=PROCESS_ENTRIES)
    found = []
    taken: dict[str, str] = {}
    for entry_point, distribution, version in _entry_points(_installed(paths)):
        error = _unusable_name(entry_point.name, taken)
        if error is not None:
            catalog.problems.append(_problem(entry_point.name, distribution, error))
        else:
            taken[entry_point.name] = distribution
            error = _load(entry_point, distribution, manager, catalog)
        found.append(
            Plugin(
                name=entry_point.name,
                module=entry_point.value,
                distribution=distribution,
                version=version,
                error=error,
            )
        )
    return Plugins(catalog, found, manager)


@functools.cache
def default_plugins() -> Plugins:
    """The plugins of this process, discovered once."""
    return discover()


def _installed(paths: Iterable[str] | None) -> list[str]:
    if paths is not None:
        return list(paths)
    here = os.path.realpath(Path.cwd())
    kept = {os.path.realpath(folder) for folder in [*site.getsitepackages(), site.getusersitepackages()]}
    return [folder for folder in sys.path if folder and (os.path.realpath(folder) != here or here in kept)]


def _entry_points(paths: list[str]) -> Iterator[tuple[importlib.metadata.EntryPoint, str, str]]:
    """The group's entry points with their distribution's name and version; ours first, then by name."""
    rows = []
    seen = set()
    for distribution in importlib.metadata.distributions(path=paths):
        # The name is in the metadata file; the entry points are enough to pass over nearly every distribution.
        points = [point for point in distribution.entry_points if point.group == hookspecs.PROJECT]
        if not points:
            continue
        name = distribution.metadata["Name"]
        if name.casefold() in seen:
            continue  # an earlier folder of the path shadows this copy, as it does for imports
        seen.add(name.casefold())
        rows += [(point, name, distribution.version) for point in points]
    yield from sorted(rows, key=lambda row: (row[0].name != hookspecs.PROJECT, row[0].name, row[1]))


def _unusable_name(name: str, taken: Mapping[str, str]) -> str | None:
    if name in taken:
        return f"its plugin name '{name}' is taken by {taken[name]}; uninstall one of the two"
    if not name.replace("-", "_").isidentifier() or name in {LOCAL, *SCOPE_ALIASES}:
        return f"'{name}' can't be a plugin's name: it is written before a dot, as in 'vision.Accuracy'; rename the entry point"
    return None


def _load(
    entry_point: importlib.metadata.EntryPoint, distribution: str, manager: pluggy.PluginManager, catalog: Catalog
) -> str | None:
    """Import a plugin's module and ask it; returns what is wrong with it, after putting it among the problems."""
    had_torch = "torch" in sys.modules
    started = time.perf_counter()
    try:
        module = entry_point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything, and is reported by name
        message = (
            f"the plugin '{entry_point.name}' ({entry_point.value}) can't be imported: {type(error).__name__}: {error}"
        )
        catalog.problems.append(_problem(entry_point.name, distribution, message, severity="warning"))
        return message
    if "torch" in sys.modules and not had_torch:
        cost = time.perf_counter() - started
        message = f"importing '{entry_point.value}' imports torch ({cost:.1f} s for every command); import it in the component's own module"
        catalog.problems.append(_problem(entry_point.name, distribution, message, severity="warning"))
    wrong = _join(module, entry_point, manager) or _register(module, entry_point, distribution, catalog)
    if wrong:
        catalog.problems.append(_problem(entry_point.name, distribution, wrong))
    return wrong


def _join(module: Any, entry_point: importlib.metadata.EntryPoint, manager: pluggy.PluginManager) -> str | None:
    """Make a plugin one of the manager's; returns what is wrong with its specs, which leaves it out."""
    wrong = _misspelt(module, entry_point.value)
    if wrong is not None:
        return wrong
    try:
        manager.register(module, name=entry_point.name)
    except pluggy.PluginValidationError as error:
        return f"a spec in {entry_point.value} takes other arguments than its contract says: {error}"
    except ValueError as error:  # one module under two names
        return str(error)
    return None


def _misspelt(module: Any, where: str) -> str | None:
    """A function that was meant for a spec and is none: marked as one, or all but named as one."""
    mark = f"{hookspecs.PROJECT}_impl"
    for name, value in vars(module).items():
        if name in _SPECS or not callable(value):
            continue
        marked = hasattr(value, mark)
        if marked or (name.startswith("runner_") and getattr(value, "__module__", None) == module.__name__):
            near = difflib.get_close_matches(name, _SPECS, n=1, cutoff=0 if marked else 0.8)
            if near:
                return f"'{name}' in {where} is no spec; did you mean '{near[0]}'? The specs are {', '.join(_SPECS)}"
    return None


def _register(
    module: Any, entry_point: importlib.metadata.EntryPoint, distribution: str, catalog: Catalog
) -> str | None:
    register = getattr(module, "runner_register", None)
    if register is None:
        return None
    try:
        register(catalog=Registration(catalog, plugin=entry_point.name, distribution=distribution))
    except RunnerError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as in _load
        return f"runner_register in {entry_point.value} raised {type(error).__name__}: {error}"
    return None


def _problem(plugin: str, distribution: str, message: str, *, severity: Any = "error") -> Problem:
    return Problem(code="plugin-error", path=plugin, severity=severity, message=f"{distribution}: {message}")
