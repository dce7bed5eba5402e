"""`runner schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import For, Format, write_out
from runner.cli.loading import file_argument, on_offer
from runner.errors import RunnerError
from runner.validation.bundle import bundle, require_schema

app = typer.Typer(rich_markup_mode=None)


@app.command()
def schema(
    where: Annotated[
        list[str] | None, typer.Argument(metavar="[CFG|FOLDER]...", help="With --install: for whom; default all here.")
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="Put it where editors find it.")] = False,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write it here instead.")] = None,
    fmt: Format = "json",
    config: For = None,
) -> None:
    """Print the JSON Schema of configs, with every installed component."""
    if install:
        if out is not None or config is not None:
            raise typer.BadParameter("--install says itself where the schema goes; leave out --out and --for")
        _install(where or ["."])
        return
    if where:
        raise typer.BadParameter(f"'{where[0]}': files and folders go with --install; write `--for {where[0]}`")
    local = on_offer(config)
    joined = bundle(local.catalog, local.folders)
    require_schema(joined)
    text = json.dumps(joined, indent=None if out is None and fmt == "json" else 2)
    if out is None:
        typer.echo(text)
    else:
        write_out(out, text + "\n")


def _install(names: list[str]) -> None:
    from runner.editor import install

    for name in names:
        try:
            done = install(file_argument(name))
        except RunnerError as error:
            raise typer.BadParameter(str(error)) from error
        for written in done:
            typer.echo(f"{_shown(written.file)}: {written.what} {'written' if written.changed else 'up to date'}")


def _shown(file: Path) -> Path:
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
