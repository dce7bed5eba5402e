"""The commands that plugins add, and what is wrong with them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

import typer

from runner.errors import PluginError, Problem
from runner.plugin import Plugin, Plugins

__all__ = ["plugin_commands"]


@functools.lru_cache(maxsize=1)
def plugin_commands(plugins: Plugins, ours: frozenset[str]) -> tuple[dict[str, Any], list[Problem]]:
    """Ask each plugin for its commands.

    Args:
        plugins: The installed plugins.
        ours: The names that are taken.

    Returns:
        The commands by name, and a problem for each plugin whose commands can't be used.
    """
    commands: dict[str, Any] = {}
    problems = []
    for plugin in plugins.found:
        try:
            added = _commands_of(plugins, plugin)
            _refuse_taken(added, plugin, {*ours, *commands})
        except PluginError as error:
            problems.append(Problem(code="plugin-error", path=plugin.name, message=str(error)))
        else:
            commands.update(added)
    return commands, problems


def _commands_of(plugins: Plugins, plugin: Plugin) -> dict[str, Any]:
    app = typer.Typer(rich_markup_mode=None)
    plugins.add_commands(app, plugin)
    if not app.registered_commands and not app.registered_groups:
        return {}
    app.callback()(lambda: None)  # with a callback, one command alone stays a command of a group
    group: Any = typer.main.get_command(app)
    commands: dict[str, Any] = group.commands
    return commands


def _refuse_taken(added: Collection[str], plugin: Plugin, taken: Collection[str]) -> None:
    clashing = sorted(set(added) & set(taken))
    if clashing:
        message = f"its command '{clashing[0]}' is there already; the plugin '{plugin.name}' has to call it otherwise"
        raise PluginError(message, distribution=plugin.distribution)
