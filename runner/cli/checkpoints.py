"""`runner checkpoints WORK_DIR`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from runner.cli.arguments import Format
from runner.cli.failure import FINE, RUN
from runner.cli.loading import file_argument

app = typer.Typer(rich_markup_mode=None)


@app.command()
def checkpoints(
    work_dir: Annotated[
        str, typer.Argument(metavar="WORK_DIR", help="A run's folder, also on a remote store: s3://bucket/runs/demo.")
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte, and exit with 3 where one is wrong.")
    ] = False,
    backend_args: Annotated[
        str | None,
        typer.Option(
            "--backend-args",
            metavar="MAPPING",
            help="What the remote store's driver needs, as in a config: '{endpoint_url: …, key: \"${env:KEY}\"}'.",
        ),
    ] = None,
    fmt: Format = "text",
) -> int:
    """List the checkpoints of a work directory, the newest first, and verify them."""
    from runner.checkpoint.listing import list_checkpoints
    from runner.checkpoint.place import is_remote, place
    from runner.checkpoint.store import CheckpointStore
    from runner.config import Config

    folder = place(work_dir) if is_remote(work_dir) else file_argument(work_dir)
    if isinstance(folder, Path) and not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}")
    if isinstance(folder, Path) and backend_args is not None:
        raise typer.BadParameter("it is for a remote store, and WORK_DIR is a folder", param_hint="--backend-args")
    arguments = None if backend_args is None else Config.fromstring(backend_args).to_dict()
    notes: list[str] = []
    rows = list_checkpoints(CheckpointStore(folder, notes.append, backend_args=arguments), verify=verify)
    for note in dict.fromkeys(notes):
        typer.echo(note, err=True)
    if fmt == "json":
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        for line in _table(rows):
            typer.echo(line)
    else:
        typer.echo(f"{folder} has no checkpoint")
    return RUN if verify and any(row["state"] == "damaged" for row in rows) else FINE


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [("step", "file", "size", "written (UTC)", "state", "what", "metrics"), *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return lines + [f"{row['file']}: {row['problem']}" for row in rows if row["problem"]]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    marks = ["last"] if row["last"] else []
    marks += [f"best:{row['best']}"] if row["best"] else []
    marks += ["weights alone"] if row["resumable"] is False and not row["best"] else []
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in (row["metrics"] or {}).items())
    return (
        "?" if row["step"] is None else str(row["step"]),
        row["file"],
        "?" if row["size"] is None else f"{row['size'] / 1e6:.1f} MB",
        (row["time"] or "?").removesuffix("+00:00"),
        row["state"],
        ", ".join(marks),
        metrics,
    )
