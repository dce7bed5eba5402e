"""Installed schemas are brought up to date in passing, by the command that is run most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from runner.config import Composition

__all__ = ["refreshed"]


def refreshed(composition: Composition) -> None:
    """Refresh the schemas that `runner schema --install` has put beside a config, and say so."""
    file = Path(composition.filename).absolute()
    if not any((folder / ".runner").is_dir() for folder in file.parents):
        return  # what is installed lies there; without it, nothing more has to be imported
    from runner.editor import refresh

    try:
        for schema in refresh(composition):
            typer.echo(f"{schema}: brought up to date with the installed components, for editors", err=True)
    except OSError as error:
        typer.echo(f"the schema for editors is out of date and can't be written: {error}", err=True)
