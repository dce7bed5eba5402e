"""`runner predict CFG CKPT INPUT…`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli.arguments import Device, Overrides, Unset, write_out
from runner.cli.loading import checked, file_argument
from runner.cli.processes import announce_own_code

if TYPE_CHECKING:
    from runner.config import Config
    from runner.infer import BaseInferencer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def predict(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="The checkpoint whose weights predict.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Images, folders of them, or .npy files with stacks.")
    ],
    overrides: Overrides = None,
    unset: Unset = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write the JSON lines here; by default, to the console.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Inputs that the model takes at a time.")] = 1,
    device: Device = "auto",
    show: Annotated[bool, typer.Option("--show", help="Show each input with its prediction in a window.")] = False,
    show_dir: Annotated[
        str | None, typer.Option("--show-dir", metavar="DIR", help="Write each input with its prediction here.")
    ] = None,
    wait_time: Annotated[
        float, typer.Option("--wait-time", metavar="SECONDS", help="How long --show shows each; 0 waits for a key.")
    ] = 2,
) -> int:
    """Say what a trained model makes of files, a JSON line for each input."""
    weights = file_argument(checkpoint)
    for file in [weights, *map(file_argument, inputs)]:
        if not file.exists():
            raise typer.BadParameter(f"there is no '{file}'")
    cfg = checked(config, overrides, unset)
    announce_own_code(cfg)
    inferencer = _built(cfg, str(weights), None if device == "auto" else device)
    drawing = {"show": show or None, "show_dir": show_dir, "wait_time": wait_time if show else None}
    keywords: dict[str, Any] = {name: value for name, value in drawing.items() if value is not None}
    unknown = sorted(set(keywords) - inferencer.visualize_kwargs)
    if unknown:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unknown)
        raise typer.BadParameter(f"{type(inferencer).__name__} draws nothing for {flags}")
    named = _named(inferencer, inputs)
    found = inferencer([value for _, value in named], batch_size=batch_size, **keywords)
    lines = _lines([name for name, _ in named], found["predictions"])
    if out is not None:
        write_out(out, lines)
    else:
        typer.echo(lines, nl=False)
    return 0


def _built(cfg: Config, weights: str, device: str | None) -> BaseInferencer:
    from runner.build import Builder
    from runner.custom_imports import run_custom_imports

    run_custom_imports(cfg)
    given = cfg.to_dict().get("inferencer") or {}
    built: BaseInferencer = Builder(scope=cfg.get("default_scope")).build(
        "inferencer", given, ("inferencer",), model=cfg, weights=weights, device=device
    )
    return built


def _named(inferencer: BaseInferencer, inputs: list[str]) -> list[tuple[str, Any]]:
    """The inputs with their names: a folder's files, a stack's rows."""
    from runner.infer import DefaultInferencer

    files = [str(file) for name in inputs for file in _files(Path(name))]
    return (
        inferencer.named_inputs(files)
        if isinstance(inferencer, DefaultInferencer)
        else [(file, file) for file in files]
    )


def _files(given: Path) -> list[Path]:
    """A file itself; of a folder what lies in it, but for hidden files.

    Raises:
        typer.BadParameter: The folder is empty.
    """
    if not given.is_dir():
        return [given]
    found = sorted(file for file in given.iterdir() if file.is_file() and not file.name.startswith("."))
    if not found:
        raise typer.BadParameter(f"there is no file in '{given}'")
    return found


def _lines(names: list[str], predictions: Any) -> str:
    """A line for each input; an inferencer may give something else than one prediction for each."""
    if not isinstance(predictions, list) or len(predictions) != len(names):
        return f"{json.dumps(_finite(predictions))}\n"
    rows = [
        {"input": name, **(each if isinstance(each, dict) else {"prediction": each})}
        for name, each in zip(names, predictions, strict=True)
    ]
    return "".join(f"{json.dumps(_finite(row))}\n" for row in rows)


def _finite(value: Any) -> Any:
    """JSON has no word for what is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
