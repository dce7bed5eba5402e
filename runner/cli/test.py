"""`runner test CFG CKPT`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli.arguments import Device, Format, Overrides, Unset, known_format, override
from runner.cli.loading import checked, composed, file_argument
from runner.cli.processes import Launch, LocalRank, announce_own_code, started
from runner.cli.workers import NoPersistentWorkers, NoPinMemory, home, worker_rows

if TYPE_CHECKING:
    from runner.config import Config
    from runner.hooks import Hook
    from runner.runner import Runner

app = typer.Typer(rich_markup_mode=None)


@app.command()
def test(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="The checkpoint to test.")],
    overrides: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    work_dir: Annotated[str | None, typer.Option("--work-dir", help="Where logs go.")] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Keep what the model said: .pkl, .pt, .json or .npz.")
    ] = None,
    out_item: Annotated[
        str,
        typer.Option(
            "--out-item", metavar="pred|metrics", help="What --out keeps.", callback=known_format("pred", "metrics")
        ),
    ] = "pred",
    tta: Annotated[
        bool, typer.Option("--tta", help="Test on several views of each sample, as tta_pipeline and tta_model say.")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Test in mixed precision.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show predictions in a window.")] = False,
    show_dir: Annotated[
        str | None, typer.Option("--show-dir", metavar="DIR", help="Write pictures with predictions here.")
    ] = None,
    interval: Annotated[int, typer.Option("--interval", min=1, help="Draw every so manyth batch.")] = 1,
    wait_time: Annotated[
        float, typer.Option("--wait-time", metavar="SECONDS", help="How long --show shows each; 0 waits for a key.")
    ] = 2,
    no_pin_memory: NoPinMemory = False,
    no_persistent_workers: NoPersistentWorkers = False,
    launcher: Launch = None,
    nproc_per_node: Annotated[
        int | None, typer.Option("--nproc-per-node", metavar="N", help="Processes to start; default one a GPU.")
    ] = None,
    local_rank: LocalRank = None,
    device: Device = "auto",
) -> int:
    """Test a checkpoint of what a config describes."""
    del local_rank
    values = {"work_dir": work_dir, "load_from": _checkpoint(checkpoint), "launcher": launcher, "resume": False}
    rows = [*(overrides or ()), *(override(key, value) for key, value in values.items() if value is not None)]
    rows += [override(f"{home(composed(config, rows, unset).raw, 'test_cfg')}.fp16", True)] if amp else []
    rows += worker_rows(config, rows, unset, no_pin_memory=no_pin_memory, no_persistent_workers=no_persistent_workers)
    cfg = checked(config, rows, unset)
    if tta:
        _require_tta(cfg)
    code = started(cfg, nproc_per_node, device)
    if code is not None:
        return code
    announce_own_code(cfg)
    dumped = _dump(out) if out is not None and out_item == "pred" else None
    hooks = [_drawing(interval, show, show_dir, wait_time)] if show or show_dir is not None else []
    runner, metrics = _tested(cfg, device, tta=tta, dumped=dumped, hooks=hooks)
    if runner.rank != 0:
        return 0
    if out is not None and out_item == "metrics":
        _keep_metrics(metrics, out)
    if fmt == "json":
        typer.echo(json.dumps({"checkpoint": _checkpoint(checkpoint), "metrics": metrics}))
    else:
        shown = (f"{value:.4f}" if isinstance(value, float) else str(value) for value in metrics.values())
        typer.echo("  ".join(f"{name}: {value}" for name, value in zip(metrics, shown, strict=True)))
    return 0


def _checkpoint(name: str) -> str:
    """A file, or an address, as it is loaded."""
    return name if "://" in name else str(file_argument(name))


def _tested(cfg: Config, device: str, *, tta: bool, dumped: Any, hooks: list[Hook]) -> tuple[Runner, dict[str, Any]]:
    """Run the test, with what the flags add to it."""
    from runner import dist
    from runner.hooks import build_runner_with_tta
    from runner.runner import Runner

    runner = build_runner_with_tta(cfg, device=device) if tta else Runner.from_cfg(cfg, device=device)
    try:
        for hook in hooks:
            runner.register_hook(hook)
        if dumped is not None and runner.test_loop is not None:
            runner.test_loop.evaluator.metrics.append(dumped)
        metrics = runner.test()
        dist.barrier()  # a rank that leaves while another still talks to it would fail that one
    finally:
        runner.close()
    return runner, metrics


def _require_tta(cfg: Config) -> None:
    missing = [name for name in ("tta_model", "tta_pipeline") if cfg.get(name) is None]
    if missing:
        raise typer.BadParameter(f"the config has no {' and no '.join(missing)}", param_hint="--tta")


def _dump(out: str) -> Any:
    from runner.evaluator import DumpResults

    try:
        return DumpResults(out)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error


def _drawing(interval: int, show: bool, show_dir: str | None, wait_time: float) -> Hook:
    from runner.hooks import VisualizationHook

    return VisualizationHook(enable=True, interval=interval, show=show, out_dir=show_dir, wait_time=wait_time)


def _keep_metrics(metrics: dict[str, Any], out: str) -> None:
    from runner.fileio import dump

    try:
        dump(metrics, out)
    except (OSError, TypeError) as error:
        raise typer.BadParameter(f"'{out}' can't be written: {error}", param_hint="--out") from error
