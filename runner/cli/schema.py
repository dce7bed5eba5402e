"""`runner schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Format
from runner.plugin import default_plugins
from runner.validation import bundle

app = typer.Typer(rich_markup_mode=None)


@app.command()
def schema(
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write it here instead.")] = None,
    fmt: Format = "json",
) -> None:
    """Print the JSON Schema of configs, with every installed component."""
    if fmt not in {"json", "text"}:
        raise typer.BadParameter(f"a schema is JSON, and can't be printed as {fmt}")
    text = json.dumps(bundle(default_plugins().catalog), indent=None if out is None and fmt == "json" else 2)
    if out is None:
        typer.echo(text)
    else:
        Path(out).write_text(text + "\n", encoding="utf-8")
