"""`runner train CFG`."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli.arguments import Device, Format, Overrides, Unset, override
from runner.cli.attended import resumes_after_requeue, train_attended
from runner.cli.loading import checked, composed
from runner.cli.processes import (
    Endpoint,
    Launch,
    LocalRank,
    Machines,
    NodeRank,
    Nodes,
    announce_own_code,
    go_on_if_restarted,
    started,
)
from runner.cli.workers import NoPersistentWorkers, NoPinMemory, worker_rows
from runner.config.triples import TRIPLES

if TYPE_CHECKING:
    from runner.config import Config

app = typer.Typer(rich_markup_mode=None)


@app.command()
def train(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    overrides: Overrides = None,
    unset: Unset = None,
    work_dir: Annotated[str | None, typer.Option("--work-dir", help="Where checkpoints and logs go.")] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="[auto|last|best|STEP|PATH]", help="Go on with a run; alone: the newest."),
    ] = None,
    load_from: Annotated[
        str | None, typer.Option("--load-from", metavar="CKPT", help="Take weights from here.")
    ] = None,
    allow_config_change: Annotated[
        bool, typer.Option("--allow-config-change", help="Resume with what fits, where the config was changed.")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Train in mixed precision.")] = False,
    auto_scale_lr: Annotated[
        bool, typer.Option("--auto-scale-lr", help="Scale the rates with the batch size.")
    ] = False,
    no_val: Annotated[bool, typer.Option("--no-val", "--no-validate", help="Do not validate.")] = False,
    no_pin_memory: NoPinMemory = False,
    no_persistent_workers: NoPersistentWorkers = False,
    launcher: Launch = None,
    nproc_per_node: Annotated[
        int | None, typer.Option("--nproc-per-node", metavar="N", help="Processes to start; default one a GPU.")
    ] = None,
    nnodes: Nodes = None,
    rdzv_endpoint: Endpoint = None,
    node_rank: NodeRank = None,
    max_restarts: Annotated[
        int | None, typer.Option("--max-restarts", metavar="N", min=0, help="Start a group that died again, so often.")
    ] = None,
    local_rank: LocalRank = None,
    requeue: Annotated[
        bool,
        typer.Option("--requeue", help="When a signal stops the run, put the SLURM job back; go on when it is back."),
    ] = False,
    device: Device = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Take a step of each kind in a temporary folder, and say what a run takes; --format is for this.",
        ),
    ] = False,
    fmt: Format = "text",
) -> int:
    """Train what a config describes."""
    del local_rank
    if requeue and resume is None and resumes_after_requeue():
        resume = "auto"
    rows = list(overrides or ())
    rows += worker_rows(config, rows, unset, no_pin_memory=no_pin_memory, no_persistent_workers=no_persistent_workers)
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="runner-dry-run-") as folder:
            return _dry_run(checked(config, [*rows, override("work_dir", folder)], unset), device, fmt)
    values = {"work_dir": work_dir, "load_from": load_from, "launcher": launcher, "resume": _resume(resume)}
    rows += [override(key, value) for key, value in values.items() if value is not None]
    if auto_scale_lr:
        rows.append(override("auto_scale_lr.enable", True))
    if amp:
        rows += _amp(composed(config, rows, unset).data)
    cfg = checked(config, rows, unset, leave_out=TRIPLES[1] if no_val else (), device=device)
    code = started(cfg, nproc_per_node, device, Machines(nnodes, rdzv_endpoint, node_rank), max_restarts)
    if code is not None:
        return code
    announce_own_code(cfg)
    go_on_if_restarted(cfg)
    return train_attended(cfg, device, requeue=requeue, allow_config_change=allow_config_change)


def _dry_run(cfg: Config, device: str, fmt: str) -> int:
    announce_own_code(cfg)
    from runner.dry_run import dry_run, report
    from runner.runner import Runner

    cfg["log_level"] = "WARNING"
    runner = Runner.from_cfg(cfg, device=device)
    try:
        found = dry_run(runner)
    finally:
        runner.close()
    typer.echo(json.dumps(dataclasses.asdict(found) | {"seconds": found.seconds}) if fmt == "json" else report(found))
    return 0


def _resume(value: str | None) -> str | bool | None:
    return True if value == "auto" else value


def _amp(data: Any) -> list[str]:
    wrapper = data.get("optim_wrapper")
    kind = wrapper.get("type", "OptimWrapper") if isinstance(wrapper, dict) else "OptimWrapper"
    if kind == "AmpOptimWrapper":
        typer.echo("--amp: the config trains in mixed precision already", err=True)
        return []
    if kind != "OptimWrapper":
        raise typer.BadParameter(f"--amp replaces OptimWrapper, and the config's optim_wrapper is {kind}")
    return [override("optim_wrapper.type", "AmpOptimWrapper"), override("optim_wrapper.loss_scale", "dynamic")]
