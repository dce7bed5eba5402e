"""`runner summary CFG`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from runner.cli.arguments import Format, Overrides, Unset
from runner.cli.loading import checked
from runner.cli.processes import announce_own_code

app = typer.Typer(rich_markup_mode=None)


@app.command()
def summary(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    override: Overrides = None,
    unset: Unset = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, help="Call the model with so many samples.")
    ] = 1,
    max_depth: Annotated[
        int, typer.Option("--max-depth", metavar="N", min=1, help="Show so many levels of modules.")
    ] = 3,
    fmt: Format = "text",
) -> int:
    """Print a model's parameters, FLOPs and activations by module, for a real sample."""
    cfg = checked(config, override, unset)
    announce_own_code(cfg)
    from runner.analysis.summary import summarize

    found = summarize(cfg, batch_size)
    typer.echo(json.dumps(found.to_dict(), indent=2) if fmt == "json" else found.to_text(max_depth))
    return 0
