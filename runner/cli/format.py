"""`runner format CFG…`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from runner.cli.arguments import Configs, Format, SkipOthers, Verbose
from runner.cli.failure import CONFIG, FINE
from runner.cli.loading import config_files
from runner.config.layout.file import Formatted, format_file, write
from runner.validation import fields, render_json, render_text

__all__ = ["ORDER"]

app = typer.Typer(rich_markup_mode=None)

_FIRST = ("_base_", "vars", "custom_imports")

ORDER = [*_FIRST, *(name for name in fields.names() if name not in _FIRST)]
"""The fields: what others lean on, then the schemas' order."""


@app.command()
def format_configs(
    configs: Configs,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    fmt: Format = "text",
    skip_others: SkipOthers = False,
    verbose: Verbose = False,
) -> int:
    """Put the fields of configs in order, and indent them alike, in place.

    Comments, anchors, quotes and line breaks stay. What a config means is never changed.
    """
    found = config_files(configs, skip_others=skip_others, verbose=verbose, parts=True)
    results = [format_file(name, ORDER) for name in found.files]
    dry = check or diff
    for result in results:
        if result.changed and not dry:
            write(result)
    if fmt == "json":
        typer.echo(json.dumps(_data(results), indent=2))
    else:
        for result in results:
            _show(result, dry=dry, diff=diff)
    refused = any(result.problems for result in results)
    return CONFIG if refused or (check and any(result.changed for result in results)) else FINE


def _show(result: Formatted, *, dry: bool, diff: bool) -> None:
    if result.problems:
        color = sys.stderr.isatty()
        typer.echo(render_text(result.problems, {result.file: result.before}, color=color), err=True, nl=False)
    elif result.left_alone is not None:
        typer.echo(f"{result.file}: left as it is: {result.left_alone}", err=True)
    elif not result.changed:
        typer.echo(f"{result.file}: in order")
    elif diff:
        typer.echo(result.diff(), nl=False)
    else:
        typer.echo(f"{result.file}: {'would be formatted' if dry else 'formatted'}")


def _data(results: list[Formatted]) -> dict[str, Any]:
    problems = [problem for result in results for problem in result.problems]
    return {
        **render_json(problems),
        "files": [
            {"file": result.file, "changed": result.changed, "left_alone": result.left_alone} for result in results
        ],
    }
