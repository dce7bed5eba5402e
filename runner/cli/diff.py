"""`runner diff A B`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runner.cli.arguments import Format, Overrides, Unset
from runner.cli.loading import loaded
from runner.config.compare import Difference, Side, differences
from runner.errors import dotted

app = typer.Typer(rich_markup_mode=None)

_DIFFERENT = 1


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A config file.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    override: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where they differ.")] = False,
) -> int:
    """Print what differs between two composed configs, with where each value came from.

    -o and --unset apply to both. Defaults are not filled in.
    """
    compositions = [loaded(name, override, unset).composition for name in (before, after)]
    found = differences(*compositions)
    if fmt == "json":
        typer.echo(json.dumps({"equal": not found, "differences": [_row(each) for each in found]}, indent=2))
    else:
        for each in found:
            typer.echo(dotted(each.path))
            for sign, side in (("-", each.before), ("+", each.after)):
                if side is not None:
                    typer.echo(f"  {sign} {json.dumps(side.value, ensure_ascii=False)}  # {_place(side)}")
        if not found:
            typer.echo(f"{before} and {after}: no differences")
    return _DIFFERENT if exit_code and found else 0


def _place(side: Side) -> str:
    return f"{side.origin}, from {side.origin.via}" if side.origin.via else str(side.origin)


def _row(difference: Difference) -> dict[str, Any]:
    """A difference as data: `a` and `b` are what the two configs have, null where one has nothing there."""
    sides = {"a": difference.before, "b": difference.after}
    return {"path": dotted(difference.path), **{name: _data(side) for name, side in sides.items()}}


def _data(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    origin = side.origin
    place = {"kind": origin.kind, "file": origin.file, "line": origin.line, "column": origin.column}
    return {"value": side.value, "origin": str(origin), **place}
