"""`runner describe TYPE`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runner.cli.arguments import Format
from runner.errors import RegistryError
from runner.kinds import KINDS
from runner.plugin import Catalog, Entry, default_plugins
from runner.signature import REQUIRED, UNKNOWN, Parameter, Signature
from runner.signature import describe as read

app = typer.Typer(rich_markup_mode=None)


@app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="A component's name, or `plugin.Name`.")],
    fmt: Format = "text",
) -> None:
    """Print what a component's type takes."""
    catalog = default_plugins().catalog
    found = [(entry, read(entry.target, catalog=catalog)) for entry in _entries(catalog, name)]
    if fmt == "json":
        rows = [_row(entry, signature) for entry, signature in found]
        typer.echo(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2))
        return
    for entry, signature in found:
        _print(entry, signature)


def _entries(catalog: Catalog, name: str) -> list[Entry]:
    found = [entry for entry in catalog.entries() if name in {entry.name, entry.qualified}]
    if found:
        return found
    for kind in KINDS:
        try:
            catalog.resolve(kind, name)
        except RegistryError as error:
            if error.suggestion:
                raise RegistryError(str(error), suggestion=error.suggestion) from None
    raise RegistryError(
        f"no installed plugin offers a component called '{name}'; `runner components` lists what there is"
    )


def _arguments(entry: Entry, signature: Signature) -> list[Parameter]:
    injected = KINDS[entry.kind].injected
    return [parameter for parameter in signature.parameters if parameter.name not in injected]


def _row(entry: Entry, signature: Signature) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "plugin": entry.plugin,
        "target": entry.target,
        "summary": signature.summary,
        "parameters": [
            {
                "name": parameter.name,
                "annotation": parameter.annotation,
                "required": parameter.default is REQUIRED,
                **({} if parameter.default in (REQUIRED, UNKNOWN) else {"default": parameter.default}),
                "description": parameter.doc,
                "schema": parameter.schema,
            }
            for parameter in _arguments(entry, signature)
        ],
        "engine_keys": dict(KINDS[entry.kind].engine_keys),
        "open": signature.open,
        "notes": list(signature.notes),
    }


def _print(entry: Entry, signature: Signature) -> None:
    typer.echo(f"{entry.qualified}  ({entry.kind}, {entry.target})")
    typer.echo(f"  {signature.summary}\n")
    for parameter in _arguments(entry, signature):
        default = "" if parameter.default is REQUIRED else f" = {_shown(parameter.default)}"
        note = f": {parameter.annotation}" if parameter.annotation else ""
        typer.echo(f"  {parameter.name}{note}{default}")
        if parameter.doc:
            typer.echo(f"      {parameter.doc}")
    for name, schema in KINDS[entry.kind].engine_keys.items():
        typer.echo(f"  {name}  (read by the engine)\n      {schema.get('description', '')}")
    if signature.open:
        typer.echo("  …  and further arguments that can't be known from the source")
    for note in signature.notes:
        typer.echo(f"  note: {note}")


def _shown(default: Any) -> str:
    return "…" if default is UNKNOWN else repr(default)
