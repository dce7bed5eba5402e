"""`runner plan CFG`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Format, Overrides, Unset
from runner.cli.loading import checked
from runner.cli.processes import announce_own_code

app = typer.Typer(rich_markup_mode=None)


@app.command()
def plan(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    override: Overrides = None,
    unset: Unset = None,
    build: Annotated[bool, typer.Option("--build", help="Build the model too, for its groups of parameters.")] = False,
    epoch_length: Annotated[
        int | None,
        typer.Option("--epoch-length", metavar="N", min=1, help="Batches of an epoch; else the data set is built."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Draw the schedules into a PNG or SVG as well.")
    ] = None,
    fmt: Format = "text",
) -> int:
    """Show what a run will do: its schedules, when it validates and saves, and its hooks in calling order."""
    if out is not None and out.suffix.lower() not in {".png", ".svg"}:
        raise typer.BadParameter(f"'{out}' is neither a .png nor an .svg file", param_hint="--out")
    cfg = checked(config, override, unset)
    announce_own_code(cfg)
    from runner.plan import make_plan
    from runner.plan.drawing import MissingMatplotlib, draw, require_matplotlib
    from runner.plan.report import report

    if out is not None:
        try:
            require_matplotlib()
        except MissingMatplotlib as error:
            raise typer.BadParameter(str(error), param_hint="--out") from error
    found = make_plan(cfg, build=build, epoch_length=epoch_length)
    if fmt == "json":
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        typer.echo(report(found, width=width, color=sys.stdout.isatty()))
    if out is not None:
        draw(found, out)
        typer.echo(f"drawn into {out}", err=True)
    return 0
