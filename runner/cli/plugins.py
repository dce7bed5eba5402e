"""`runner plugins`."""

from __future__ import annotations

import dataclasses
import json

import typer

from runner.cli.arguments import Format
from runner.cli.failure import CONFIG, FINE
from runner.errors import Problem, SignatureError
from runner.plugin import Catalog, default_plugins
from runner.signature import describe

app = typer.Typer(rich_markup_mode=None)


@app.command()
def plugins(fmt: Format = "text") -> int:
    """List the installed plugins and what is wrong with them."""
    found = default_plugins()
    problems = [*found.catalog.problems, *_missing_targets(found.catalog)]
    counts: dict[str, int] = {}
    for entry in found.catalog:
        counts[entry.plugin] = counts.get(entry.plugin, 0) + 1
    if fmt == "json":
        rows = [{**dataclasses.asdict(plugin), "components": counts.get(plugin.name, 0)} for plugin in found.found]
        wrong = [
            {"code": each.code, "severity": each.severity, "path": each.path, "message": each.message}
            for each in problems
        ]
        typer.echo(json.dumps({"plugins": rows, "problems": wrong}, indent=2))
    else:
        for plugin in found.found:
            number = counts.get(plugin.name, 0)
            typer.echo(f"{plugin.name:16} {plugin.distribution} {plugin.version}  {number} components")
        for problem in problems:
            typer.echo(f"{problem.severity}[{problem.code}] {problem.path}: {problem.message}")
    return CONFIG if any(problem.severity == "error" for problem in problems) else FINE


def _missing_targets(catalog: Catalog) -> list[Problem]:
    """Components whose class is not where their plugin says."""
    problems = []
    for entry in catalog.entries():
        try:
            describe(entry.target, catalog=catalog)
        except SignatureError as error:
            message = f"{entry.distribution}: the {entry.kind} '{entry.name}' is to be {entry.target}: {error}"
            problems.append(Problem(code="plugin-error", path=entry.plugin, message=message))
    return problems
