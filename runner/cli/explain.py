"""`runner explain CODE`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from runner.cli.arguments import Format
from runner.errors import RunnerError
from runner.validation import explain as page_of

app = typer.Typer(rich_markup_mode=None)


@app.command()
def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What stands in brackets behind `error`.")],
    fmt: Format = "text",
) -> None:
    """Explain a problem's code."""
    try:
        page = page_of(code)
    except RunnerError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(json.dumps({"code": code, "page": page}) if fmt == "json" else page)
