"""`runner show CFG [KEY]`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from runner.cli.arguments import Format, Overrides, Unset
from runner.cli.loading import loaded
from runner.errors import ConfigError, Location

app = typer.Typer(rich_markup_mode=None)


@app.command()
def show(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="A part of it: `param_scheduler.0`.")] = None,
    override: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    origins: Annotated[bool, typer.Option("--origins", help="Print where each value came from.")] = False,
) -> None:
    """Print a composed config, or a part of it, with where each value came from."""
    if key is not None and "=" in key:
        raise typer.BadParameter(f"'{key}' is no key; write an override as `-o {key}`")
    cfg = loaded(config, override, unset)
    try:
        part = cfg.shown(key)
    except ConfigError as error:
        raise typer.BadParameter(f"{key}: {error.problems[0].message}", param_hint="KEY") from error
    if origins:
        rows = list(_leaves(part, key or ""))
        if fmt == "json":
            typer.echo(json.dumps([_row(path, value, cfg.origin(path)) for path, value in rows], indent=2))
        else:
            for path, value in rows:
                typer.echo(f"{path}: {json.dumps(value, ensure_ascii=False)}  # {_place(cfg.origin(path))}")
    elif fmt == "json":
        typer.echo(json.dumps(part, indent=2))
    else:
        typer.echo(cfg.dump_part(key).rstrip("\n"))


def _row(path: str, value: Any, origin: Location | None) -> dict[str, Any]:
    row: dict[str, Any] = {"path": path, "value": value, "origin": str(origin)}
    if origin is not None:
        row |= {"kind": origin.kind, "file": origin.file, "line": origin.line, "column": origin.column}
    return row


def _place(origin: Location | None) -> str:
    """Where a value stands and, where a reference brought it there, where it came from."""
    if origin is None or origin.via is None:
        return str(origin)
    return f"{origin}, from {origin.via}"


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    prefix = f"{path}." if path else ""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{prefix}{key}")
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _leaves(each, f"{prefix}{number}")
    else:
        yield path, value
