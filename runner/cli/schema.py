"""`runner schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from runner.cli.arguments import For, Format
from runner.cli.loading import on_offer
from runner.errors import RunnerError
from runner.validation import bundle

app = typer.Typer(rich_markup_mode=None)


@app.command()
def schema(
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write it here instead.")] = None,
    fmt: Format = "json",
    config: For = None,
) -> None:
    """Print the JSON Schema of configs, with every installed component."""
    local = on_offer(config)
    joined = bundle(local.catalog, local.folders)
    _require_valid(joined)
    text = json.dumps(joined, indent=None if out is None and fmt == "json" else 2)
    if out is None:
        typer.echo(text)
    else:
        Path(out).write_text(text + "\n", encoding="utf-8")


def _require_valid(joined: dict[str, Any]) -> None:
    """A plugin may have given a `schema=` that is none."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(joined)
    except SchemaError as error:
        where = "/".join(map(str, error.path))
        message = (
            f"the joined schema is no JSON Schema at {where}: {error.message}; mend the `schema=` that is given there"
        )
        raise RunnerError(message) from error
