"""Find the installed plugins, ask each what it offers, and put what is wrong with one into words that name it."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import os
import site
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from runner.errors import Problem, RunnerError
from runner.plugin import hookspecs
from runner.plugin.catalog import Catalog, Entry, Registration

if TYPE_CHECKING:
    import typer

    from runner.config import Config

__all__ = ["PROCESS_ENTRIES", "Plugin", "Plugins", "default_plugins", "discover"]

PROCESS_ENTRIES: list[Entry] = []
"""What code of this process has registered; `runner.registry` adds to it."""


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
        for found in self._manager.hook.runner_check(config=config):
            yield from found

    def add_commands(self, app: typer.Typer) -> None:
        """Let the plugins add their commands (`runner_commands`)."""
        self._manager.hook.runner_commands(app=app)

    def bases(self, package: str) -> Path | None:
        """The folder of configs that a plugin ships, by the plugin's or its import package's name."""
        for plugin in self.found:
            if package in {plugin.name, plugin.module.partition(".")[0]}:
                module = self._manager.get_plugin(plugin.name)
                if module is not None and hasattr(module, "runner_bases"):
                    return Path(module.runner_bases())
        return None


def discover(paths: Iterable[str] | None = None) -> Plugins:
    """Look at the installed distributions and ask their plugins what they offer.

    Args:
        paths: Folders to look for distributions in; by default `sys.path` without the current folder, so that a
            `.dist-info` planted beside a config is never loaded.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    catalog = Catalog(local=PROCESS_ENTRIES)
    found = []
    taken: dict[str, str] = {}
    for entry_point, distribution, version in _entry_points(_installed(paths)):
        error: str | None
        if entry_point.name in taken:
            error = (
                f"its plugin name '{entry_point.name}' is taken by {taken[entry_point.name]}; uninstall one of the two"
            )
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


def _load(
    entry_point: importlib.metadata.EntryPoint, distribution: str, manager: pluggy.PluginManager, catalog: Catalog
) -> str | None:
    """Import a plugin's module and ask it; returns what is wrong with it, after putting it among the problems."""
    had_torch = "torch" in sys.modules
    started = time.perf_counter()
    try:
        module = entry_point.load()
        manager.register(module, name=entry_point.name)
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
    wrong = _misspelt(module, manager) or _register(module, entry_point.name, distribution, catalog)
    if wrong:
        catalog.problems.append(_problem(entry_point.name, distribution, wrong))
    return wrong


def _misspelt(module: Any, manager: pluggy.PluginManager) -> str | None:
    for caller in manager.get_hookcallers(module) or ():
        if caller.spec is None:
            names = [name for name in vars(hookspecs) if name.startswith("runner_")]
            near = difflib.get_close_matches(caller.name, names, n=1, cutoff=0)
            return f"'{caller.name}' in {module.__name__} is no spec; did you mean '{near[0]}'? The specs are {', '.join(names)}"
    return None


def _register(module: Any, plugin: str, distribution: str, catalog: Catalog) -> str | None:
    register = getattr(module, "runner_register", None)
    if register is None:
        return None
    try:
        register(catalog=Registration(catalog, plugin=plugin, distribution=distribution))
    except RunnerError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - as in _load
        return f"runner_register in {module.__name__} raised {type(error).__name__}: {error}"
    return None


def _problem(plugin: str, distribution: str, message: str, *, severity: Any = "error") -> Problem:
    return Problem(code="plugin-error", path=plugin, severity=severity, message=f"{distribution}: {message}")
