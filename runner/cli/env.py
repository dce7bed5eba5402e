"""`runner env`."""

from __future__ import annotations

import json

import typer

from runner.cli.arguments import Format

app = typer.Typer(rich_markup_mode=None)


@app.command()
def env(fmt: Format = "text") -> int:
    """Print what a run would run on: versions, devices, compilers."""
    from runner.environment import collect_env

    found = collect_env()
    if fmt == "json":
        typer.echo(json.dumps(found, indent=2))
        return 0
    for name, value in found.items():
        head, *more = str(value).splitlines() or [""]
        typer.echo("\n".join([f"{name}: {head}", *(f"    {line.strip()}" for line in more)]))
    return 0
