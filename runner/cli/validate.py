"""`runner validate CFG…`."""

from __future__ import annotations

import json
import sys

import typer

from runner.cli.arguments import Configs, Format, Overrides, Unset
from runner.cli.failure import CONFIG, FINE
from runner.cli.loading import composed
from runner.validation import check, render_json, render_text

app = typer.Typer(rich_markup_mode=None)


@app.command()
def validate(
    configs: Configs,
    override: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    missing_types: str = typer.Option(
        "error", "--missing-types", metavar="error|warn", help="What an unknown type is, where plugins are missing."
    ),
) -> int:
    """Find every mistake in configs, without running anything."""
    if missing_types not in {"error", "warn"}:
        raise typer.BadParameter(f"--missing-types is error or warn, not {missing_types}")
    found, sources = [], {}
    for name in configs:
        composition = composed(name, override, unset)
        found += check(composition, missing_types="warning" if missing_types == "warn" else "error")
        sources.update(composition.sources)
    if fmt == "json":
        typer.echo(json.dumps(render_json(found), indent=2))
    elif found:
        typer.echo(render_text(found, sources, color=sys.stdout.isatty()))
    else:
        typer.echo(f"{', '.join(configs)}: no problems")
    return CONFIG if any(problem.severity == "error" for problem in found) else FINE
