"""`runner test CFG CKPT`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Device, Format, Overrides, Unset, override
from runner.cli.loading import checked, file_argument
from runner.cli.processes import announce_own_code, started

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
        str | None, typer.Option("--launcher", metavar="none|pytorch|slurm|mpi", help="How processes start.")
    ] = None,
    nproc_per_node: Annotated[
        int | None, typer.Option("--nproc-per-node", metavar="N", help="Processes to start; default one a GPU.")
    ] = None,
    device: Device = "auto",
) -> int:
    """Test a checkpoint of what a config describes."""
    values = {"work_dir": work_dir, "load_from": str(file_argument(checkpoint)), "launcher": launcher, "resume": False}
    rows = [*(overrides or ()), *(override(key, value) for key, value in values.items() if value is not None)]
    cfg = checked(config, rows, unset)
    code = started(cfg, nproc_per_node, device)
    if code is not None:
        return code
    announce_own_code(cfg)
    from runner import dist
    from runner.runner import Runner

    runner = Runner.from_cfg(cfg, device=device)
    try:
        metrics = runner.test()
        dist.barrier()  # a rank that leaves while another still talks to it would fail that one
    finally:
        runner.close()
    if runner.rank == 0:
        if fmt == "json":
            typer.echo(json.dumps({"checkpoint": str(Path(checkpoint)), "metrics": metrics}))
        else:
            shown = (f"{value:.4f}" if isinstance(value, float) else str(value) for value in metrics.values())
            typer.echo("  ".join(f"{name}: {value}" for name, value in zip(metrics, shown, strict=True)))
    return 0
