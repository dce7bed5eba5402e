"""`runner test CFG CKPT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Format, Overrides, Unset, override
from runner.cli.loading import loaded

app = typer.Typer(rich_markup_mode=None)


@app.command()
def test(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="The checkpoint to test.")],
    overrides: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    work_dir: Annotated[str | None, typer.Option("--work-dir", help="Where logs go.")] = None,
    launcher: Annotated[
        str | None, typer.Option("--launcher", metavar="none|pytorch", help="How processes start.")
    ] = None,
    nproc_per_node: Annotated[
        int | None, typer.Option("--nproc-per-node", metavar="N", help="Processes to start; default one a GPU.")
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N|mps")] = "auto",
) -> int:
    """Test a checkpoint of what a config describes."""
    values = {"work_dir": work_dir, "load_from": checkpoint, "launcher": launcher, "resume": False}
    rows = [*(overrides or ()), *(override(key, value) for key, value in values.items() if value is not None)]
    cfg = loaded(config, rows, unset)
    if cfg.get("launcher", "none") == "pytorch" and not ("RANK" in os.environ and "WORLD_SIZE" in os.environ):
        from runner.dist.launch import launch

        return launch(sys.argv[1:], nproc_per_node=nproc_per_node, device=device)
    from runner.runner import Runner

    runner = Runner.from_cfg(cfg, device=device)
    try:
        metrics = runner.test()
    finally:
        runner.close()
    if runner.rank == 0:
        if fmt == "json":
            typer.echo(json.dumps({"checkpoint": str(Path(checkpoint)), "metrics": metrics}))
        else:
            shown = (f"{value:.4f}" if isinstance(value, float) else str(value) for value in metrics.values())
            typer.echo("  ".join(f"{name}: {value}" for name, value in zip(metrics, shown, strict=True)))
    return 0
