"""`runner describe TYPE`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from runner.cli.arguments import For, Format
from runner.cli.loading import on_offer
from runner.errors import PluginError, SignatureError
from runner.kinds import KINDS
from runner.plugin import Catalog, Entry
from runner.plugin.known import PROVIDERS
from runner.signature import Parameter, Signature
from runner.signature import describe as read
from runner.validation.components import component_schema
from runner.validation.mistake import json_type
from runner.validation.suggest import nearest

app = typer.Typer(rich_markup_mode=None)


@app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="A component's name, or `plugin.Name`.")],
    fmt: Format = "text",
    config: For = None,
) -> None:
    """Print what a component's type takes."""
    local = on_offer(config)
    entries = _entries(local.catalog, name)
    found = [(entry, _read(entry, local.folders)) for entry in entries]
    if fmt == "json":
        rows = [_row(entry, signature) for entry, signature in found]
        typer.echo(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2))
        return
    for entry, signature in found:
        _print(entry, signature)


def _entries(catalog: Catalog, name: str) -> list[Entry]:
    entries = catalog.entries()
    found = [entry for entry in entries if name in {entry.name, entry.qualified}]
    if found:
        return found
    near = nearest(name, sorted({entry.qualified if "." in name else entry.name for entry in entries}))
    if near is not None:
        hint = f"did you mean '{near}'?"
    elif name in PROVIDERS:
        hint = f"{PROVIDERS[name]} does: pip install {PROVIDERS[name]}"
    else:
        hint = "`runner components` lists what there is"
    raise typer.BadParameter(f"no installed plugin offers a component called '{name}'; {hint}")


def _read(entry: Entry, folders: Sequence[Path]) -> Signature:
    try:
        return read(entry.target, paths=folders)
    except SignatureError as error:
        message = f"the {entry.kind} '{entry.name}' is to be {entry.target}: {error}"
        raise PluginError(message, distribution=entry.distribution or entry.plugin) from error


def _row(entry: Entry, signature: Signature) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "plugin": entry.plugin,
        "target": entry.target,
        "summary": signature.summary,
        "parameters": _parameters(entry, signature),
        "engine_keys": dict(KINDS[entry.kind].engine_keys),
        "open": component_schema(entry, signature)["additionalProperties"],
        "notes": list(signature.notes),
    }


def _parameters(entry: Entry, signature: Signature) -> list[dict[str, Any]]:
    """What a config may give, as `validate` has it: a `schema=` of the plugin's own wins over the signature."""
    schema = component_schema(entry, signature)
    names = [name for name in schema["properties"] if name != "type" and name not in KINDS[entry.kind].engine_keys]
    rows = []
    for name in names:
        parameter = signature.parameter(name) or Parameter(name=name)
        rows.append(
            {
                "name": name,
                "annotation": parameter.annotation,
                # A runner is given its arguments as the config's own fields, of which the schemas say what must be there.
                "required": parameter.required if entry.kind == "runner" else name in schema["required"],
                **_default(parameter),
                "description": parameter.doc or schema["properties"][name].get("description", ""),
                "schema": schema["properties"][name],
            }
        )
    return rows


def _default(parameter: Parameter) -> dict[str, Any]:
    default = parameter.default
    if json_type(default) is None or (isinstance(default, float) and not math.isfinite(default)):
        return {}
    return {"default": default}


def _print(entry: Entry, signature: Signature) -> None:
    typer.echo(f"{entry.qualified}  ({entry.kind}, {entry.target})")
    typer.echo(f"  {signature.summary}\n")
    for row in _parameters(entry, signature):
        parameter = signature.parameter(row["name"])
        default = f" = {parameter.default_text}" if parameter is not None and not parameter.required else ""
        note = f": {row['annotation']}" if row["annotation"] else ""
        typer.echo(f"  {row['name']}{note}{default}")
        if row["description"]:
            typer.echo(f"      {row['description']}")
    for name, schema in KINDS[entry.kind].engine_keys.items():
        typer.echo(f"  {name}  (read by the engine)\n      {schema.get('description', '')}")
    if signature.open:
        typer.echo("  …  and further arguments that can't be known from the source")
    for note in signature.notes:
        typer.echo(f"  note: {note}")
