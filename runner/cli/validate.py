"""`runner validate CFG…`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.arguments import Configs, Overrides, SkipOthers, Unset, Verbose, known_format, write_out
from runner.cli.failure import CONFIG, FINE
from runner.cli.loading import composed, config_files
from runner.cli.processes import announce_own_code
from runner.cli.refreshing import refreshed
from runner.config import Composition, Config
from runner.errors import Problem
from runner.validation import check, render_json, render_text
from runner.validation.report import Report, each_once

app = typer.Typer(rich_markup_mode=None)

Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="text|json|github|sarif",
        help="How to print; github: annotations of a workflow.",
        callback=known_format("text", "json", "github", "sarif"),
    ),
]


@app.command()
def validate(
    configs: Configs,
    override: Overrides = None,
    unset: Unset = None,
    fmt: Format = "text",
    missing_types: str = typer.Option(
        "error", "--missing-types", metavar="error|warn", help="What an unknown type is, where plugins are missing."
    ),
    check_paths: bool = typer.Option(False, "--check-paths", help="Look for the files and folders that are read."),
    build: bool = typer.Option(
        False, "--build", help="Then import and build every component: your own code runs, and a model takes no memory."
    ),
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write it here instead.")] = None,
    skip_others: SkipOthers = False,
    verbose: Verbose = False,
) -> int:
    """Find every mistake in configs, without running anything."""
    if missing_types not in {"error", "warn"}:
        raise typer.BadParameter(f"--missing-types is error or warn, not {missing_types}")
    found = config_files(configs, skip_others=skip_others, verbose=verbose)
    reports = []
    for name in found.files:
        composition = composed(name, override, unset)
        refreshed(composition)
        problems = check(
            composition, missing_types="warning" if missing_types == "warn" else "error", check_paths=check_paths
        )
        if build and not any(problem.severity == "error" for problem in problems):
            problems += _built(composition)
        reports.append(Report(config=name, problems=problems, sources=composition.sources))
    text = _rendered(reports, fmt, color=out is None and sys.stdout.isatty())
    if fmt == "text":
        text += (
            _summary(reports, len(found.skipped)) if found.several else "" if text else f"{configs[0]}: no problems\n"
        )
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_out(out, text)
    return CONFIG if any(problem.severity == "error" for _, problem in each_once(reports)) else FINE


def _built(composition: Composition) -> list[Problem]:
    config = Config.from_composition(composition)
    announce_own_code(config)
    from runner.trial import build_problems

    return build_problems(config)


def _rendered(reports: Sequence[Report], fmt: str, *, color: bool) -> str:
    problems: list[Problem] = [problem for _, problem in each_once(reports)]
    if fmt == "json":
        return json.dumps(render_json(problems), indent=2) + "\n"
    root = Path(os.environ.get("GITHUB_WORKSPACE") or ".").absolute()
    if fmt == "github":
        from runner.validation.annotations import render_github

        return render_github(reports, root)
    if fmt == "sarif":
        from runner.validation.sarif import render_sarif

        return json.dumps(render_sarif(reports, root), indent=2) + "\n"
    sources = {name: text for report in reports for name, text in report.sources.items()}
    return render_text(problems, sources, color=color)


def _summary(reports: Sequence[Report], skipped: int) -> str:
    severities = [problem.severity for _, problem in each_once(reports)]
    wrong = sum(1 for report in reports if report.problems)
    counts = [_counted(severities.count(name), name) for name in ("error", "warning") if name in severities]
    told = f"{wrong} with problems: {', '.join(counts)}" if wrong else "no problems"
    others = (
        f"; skipped {_counted(skipped, 'file')} that {'is' if skipped == 1 else 'are'} no config" if skipped else ""
    )
    return f"{_counted(len(reports), 'config')} checked, {told}{others}\n"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
