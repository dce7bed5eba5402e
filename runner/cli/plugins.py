"""`runner plugins`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import typer

from runner.cli.arguments import Format
from runner.cli.failure import CONFIG, FINE
from runner.errors import Problem, SignatureError
from runner.plugin import LOCAL, Catalog, Entry, default_plugins
from runner.signature import describe
from runner.validation import render_json, render_text

app = typer.Typer(rich_markup_mode=None)


@app.command()
def plugins(fmt: Format = "text") -> int:
    """List the installed plugins and what is wrong with them."""
    from runner.cli.app import COMMANDS
    from runner.cli.plugin_commands import plugin_commands

    found = default_plugins()
    problems = [
        *found.catalog.problems,
        *_missing_targets(found.catalog),
        *_clashes(found.catalog),
        *plugin_commands(found, frozenset(COMMANDS))[1],
    ]
    counts: dict[str, int] = {}
    for entry in found.catalog:
        counts[entry.plugin] = counts.get(entry.plugin, 0) + 1
    if fmt == "json":
        rows = [{**dataclasses.asdict(plugin), "components": counts.get(plugin.name, 0)} for plugin in found.found]
        typer.echo(json.dumps({"plugins": rows, **render_json(problems)}, indent=2))
    else:
        for plugin in found.found:
            number = counts.get(plugin.name, 0)
            shown = f"{number} component{'s' * (number != 1)}" if plugin.error is None else "can't be used, see below"
            typer.echo(f"{plugin.name:16} {plugin.distribution} {plugin.version}  {shown}")
        typer.echo(render_text(problems, {}), nl=False)
    unusable = any(plugin.error for plugin in found.found)
    return CONFIG if unusable or any(problem.severity == "error" for problem in problems) else FINE


def _missing_targets(catalog: Catalog) -> Iterator[Problem]:
    """Components whose class is not where their plugin says."""
    for entry in catalog.entries():
        try:
            describe(entry.target, catalog=catalog)
        except SignatureError as error:
            message = f"{entry.distribution}: the {entry.kind} '{entry.name}' is to be {entry.target}: {error}"
            yield Problem(code="plugin-error", path=entry.plugin, message=message)


def _clashes(catalog: Catalog) -> Iterator[Problem]:
    """Names that several plugins offer: each can be had, by its qualified name."""
    offered: dict[tuple[str, str], list[Entry]] = {}
    for entry in catalog.entries():
        if entry.plugin != LOCAL:
            offered.setdefault((entry.registry, entry.name), []).append(entry)
    for (_, name), entries in offered.items():
        if len(entries) > 1:
            whose = " and by ".join(f"{entry.distribution} as '{entry.qualified}'" for entry in entries)
            message = f"'{name}' is offered by {whose}; a config has to write one of the two, or set default_scope"
            yield Problem(code="ambiguous-type", path=name, message=message, severity="warning")
