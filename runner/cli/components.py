"""`runner components [KIND]`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import For, Format
from runner.cli.loading import on_offer
from runner.errors import SignatureError
from runner.kinds import KINDS
from runner.plugin import Entry
from runner.signature import describe
from runner.validation.suggest import nearest

app = typer.Typer(rich_markup_mode=None)


@app.command()
def components(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="One role alone.")] = None,
    fmt: Format = "text",
    config: For = None,
) -> None:
    """List the components on offer."""
    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"did you mean '{near}'?" if near else f"the kinds are {', '.join(KINDS)}"
        raise typer.BadParameter(f"'{kind}' is no kind; {hint}")
    local = on_offer(config)
    entries = local.catalog.entries(kind)
    if fmt == "json":
        rows = [
            {
                "kind": entry.kind,
                "name": entry.name,
                "plugin": entry.plugin,
                "target": entry.target,
                "summary": _summary(entry, local.folders),
            }
            for entry in entries
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    shown = None
    for entry in entries:
        if entry.kind != shown:
            shown = entry.kind
            typer.echo(f"{entry.kind}: {KINDS[entry.kind].doc}")
        typer.echo(f"  {entry.qualified:40} {_summary(entry, local.folders)}")


def _summary(entry: Entry, folders: Sequence[Path]) -> str:
    try:
        return describe(entry.target, paths=folders).summary
    except SignatureError as error:
        return f"({error})"
