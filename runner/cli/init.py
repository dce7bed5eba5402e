"""`runner init [TASK]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Format
from runner.cli.failure import CONFIG, FINE
from runner.cli.loading import composed
from runner.errors import RunnerError
from runner.plugin import default_plugins
from runner.starter import TASKS, Choices, start
from runner.validation import check, render_text
from runner.validation.suggest import nearest

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="What to start with; --list shows them.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the tasks.")] = False,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="A dataset's type.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model's type.")] = None,
    optimizer: Annotated[str | None, typer.Option("--optimizer", metavar="NAME", help="An optimizer's type.")] = None,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to write the config.")] = "config.yaml",
    fmt: Format = "text",
) -> int:
    """Write a config to start from, for a task, with what is installed."""
    if show_list:
        _print_list(fmt)
        return FINE
    name, config = _known(task), Path(out)
    try:
        choices = Choices(dataset=dataset, model=model, optimizer=optimizer)
        texts = start(name, default_plugins().catalog, choices, str(config))
    except RunnerError as error:
        raise typer.BadParameter(str(error)) from error
    _write(config, texts)
    composition = composed(str(config))
    problems = check(composition)
    if problems:
        typer.echo(render_text(problems, composition.sources, color=sys.stderr.isatty()), err=True, nl=False)
    if any(problem.severity == "error" for problem in problems):
        typer.echo(f"{config}: no value that is right was found for these; write them by hand", err=True)
        return CONFIG
    typer.echo(f"next: runner validate {config}, then runner train {config}")
    return FINE


def _known(task: str | None) -> str:
    if task is not None and task in TASKS:
        return task
    near = nearest(task, TASKS) if task is not None else None
    hint = f"did you mean '{near}'?" if near else f"the tasks are {', '.join(TASKS)}"
    raise typer.BadParameter(f"'{task}' is no task; {hint}" if task is not None else f"name a task; {hint}")


def _write(config: Path, texts: dict[str, str]) -> None:
    """Write the files, none over another one, and put the schema beside them."""
    from runner.editor import install

    if config.suffix not in {".yaml", ".yml"}:
        raise typer.BadParameter(f"'{config}' is no name for a config; it ends in .yaml", param_hint="--out")
    files = {config if name == str(config) else config.with_name(name): text for name, text in texts.items()}
    for file in files:
        if file.exists():
            raise typer.BadParameter(f"'{file}' is there already, and is left as it is; give another --out")
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            typer.echo(f"{file}: written")
    except OSError as error:
        raise typer.BadParameter(f"'{file}' can't be written: {error.strerror}", param_hint="--out") from error
    install(config)


def _print_list(fmt: str) -> None:
    catalog = default_plugins().catalog
    rows = [{"task": task.name, "summary": task.summary, "lacking": task.lacking(catalog)} for task in TASKS.values()]
    if fmt == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['task']:16} {row['summary']}" + (f" ({row['lacking']})" if row["lacking"] else ""))
