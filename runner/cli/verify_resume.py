"""`runner verify-resume CFG`."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.arguments import Device, Format, Overrides, Unset
from runner.cli.failure import FINE, RUN
from runner.cli.loading import checked
from runner.cli.processes import announce_own_code

if TYPE_CHECKING:
    from runner.verify import Verdict
    from runner.verify.findings import Difference

app = typer.Typer(rich_markup_mode=None)

_SHOWN = 5
_WHAT = {
    "batch": "the batch",
    "outputs": "the model's output",
    "weights": "the weights",
    "rates": "the rates",
    "generators": "",
    "checkpoint": "in the last checkpoint",
    "scalars": "logged in",
    "memory": "",
}
"""What stands before the name of what differs."""


@app.command()
def verify_resume(
    config: Annotated[str, typer.Argument(metavar="CFG", help="A config file.")],
    override: Overrides = None,
    unset: Unset = None,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=2, help="Train so many steps.")] = 20,
    at: Annotated[
        int | None, typer.Option("--at", metavar="K", min=1, help="Kill it after this step; by default one at random.")
    ] = None,
    device: Device = "auto",
    fmt: Format = "text",
    part: Annotated[
        Path | None, typer.Option("--part", metavar="FILE", hidden=True, help="Run one of its processes.")
    ] = None,
) -> int:
    """Train some steps straight through, and again killed and resumed, and compare everything.

    Each run has a fresh process and a temporary folder; nothing is written elsewhere. Several processes of a distributed
    run are not tried: there is one.
    """
    cfg = checked(config, override, unset, device=device)
    if part is not None:
        from runner.verify.part import Part, run_part

        run_part(cfg, Part(**json.loads(part.read_text(encoding="utf-8"))), device)
        return FINE
    if at is not None and at >= steps:
        raise typer.BadParameter(
            f"it is {at}, and {steps} steps are taken; give less, or more --steps", param_hint="--at"
        )
    if cfg.get("train_cfg") is None:
        raise typer.BadParameter(f"'{config}' does not train: it has no train_cfg")
    announce_own_code(cfg)
    from runner.device import resolve_device
    from runner.verify import verify_resume as verify

    again = [f"--override={row}" for row in override or ()] + [f"--unset={key}" for key in unset or ()]
    verdict = verify(
        ["verify-resume", config, *again, f"--device={device}"],
        steps=steps,
        at=at,
        device=resolve_device(device).type,
        deterministic=bool((cfg.get("randomness") or {}).get("deterministic")),
        say=lambda line: typer.echo(line, err=True) if sys.stderr.isatty() else None,
    )
    typer.echo(json.dumps(_as_data(verdict), indent=2) if fmt == "json" else _as_text(config, verdict))
    return FINE if verdict.is_equal else RUN


def _as_data(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": verdict.is_equal,
        "steps": verdict.steps,
        "at": verdict.at,
        "outcome": verdict.outcome,
        "cause": verdict.cause,
        "differences": [dataclasses.asdict(difference) for difference in verdict.differences],
        "compared": verdict.compared,
    }


def _as_text(config: str, verdict: Verdict) -> str:
    if verdict.is_equal:
        compared = ", ".join(f"{count} {what}" for what, count in verdict.compared.items())
        return (
            f"{config}: {verdict.steps} steps, killed after step {verdict.at} and resumed, equal {verdict.steps} steps straight "
            f"through, bit for bit\ncompared: {compared}"
        )
    first, *others = verdict.differences
    head = (
        f"{config}: killed after step {verdict.at} and resumed, the run is not the uninterrupted one"
        if verdict.outcome == "resume"
        else f"{config}: two uninterrupted runs are not the same, so that no resumed one can be"
    )
    lines = [head, f"first: {_line(first, verdict.outcome)}", f"likely cause: {verdict.cause}"]
    lines += [f"then: {_line(difference, verdict.outcome)}" for difference in others[:_SHOWN]]
    if len(others) > _SHOWN:
        lines.append(f"and {len(others) - _SHOWN} more")
    return "\n".join(lines)


def _line(difference: Difference, outcome: str) -> str:
    name = " ".join(part for part in (_WHAT[difference.kind], difference.path) if part)
    which = ("straight through", "resumed") if outcome == "resume" else ("once", "the other time")
    values = f"{difference.one or 'absent'} {which[0]}, {difference.other or 'absent'} {which[1]}"
    if difference.kind == "scalars":  # a validation is logged under its epoch where epochs are counted
        return f"{name} at {difference.step}: {values}"
    return f"step {difference.step}, {name}: {values}"
