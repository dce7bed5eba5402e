"""`runner export CFG CKPT --out DIR`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from runner.cli.arguments import Device, Format, Overrides, Unset, known_format
from runner.cli.loading import checked, file_argument
from runner.cli.processes import announce_own_code

app = typer.Typer(rich_markup_mode=None)


@app.command()
def export(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="The checkpoint whose weights are exported.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder for the files.")],
    overrides: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="tensor|predict",
            help="What the model's forward is asked for.",
            callback=known_format("tensor", "predict"),
        ),
    ] = "tensor",
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="The largest difference from the original that is let pass.")
    ] = 1e-5,
    weights: Annotated[bool, typer.Option("--weights", help="Write the weights alone, as safetensors.")] = False,
    device: Device = "cpu",
) -> int:
    """Write a trained model as a program that needs none of this, checked against the original."""
    file = file_argument(checkpoint)
    if not file.exists():
        raise typer.BadParameter(f"there is no '{file}'")
    cfg = checked(config, overrides, unset)
    announce_own_code(cfg)
    from runner.export import export_model

    found = export_model(
        cfg,
        str(file),
        out,
        mode="predict" if mode == "predict" else "tensor",
        tolerance=tolerance,
        weights_only=weights,
        device=device,
    )
    if fmt == "json":
        typer.echo(json.dumps({"files": [str(each) for each in found.files], "manifest": found.manifest}))
        return 0
    for each in found.files:
        typer.echo(str(each))
    if found.manifest:
        told = found.manifest
        takes = ", ".join(f"{row['name']} {row['shape']} {row['dtype']}" for row in told["inputs"])
        typer.echo(
            f"takes {takes}, {'preprocessed in it' if told['includes_preprocessing'] else 'already preprocessed'}"
        )
        typer.echo(f"differs from the model by at most {told['check']['largest_difference']:g}")
    return 0
