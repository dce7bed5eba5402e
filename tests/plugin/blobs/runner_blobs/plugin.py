from __future__ import annotations

from pathlib import Path

import typer

from runner import Problem, hookimpl


@hookimpl
def runner_register(catalog):
    catalog.dataset("Blobs", "runner_blobs.components:Blobs")
    catalog.model("Line", "runner_blobs.components:Line")
    catalog.metric("Hits", "runner_blobs.components:Hits")
    catalog.loop("PatientTrainLoop", "runner_blobs.components:PatientTrainLoop")
    catalog.hook("NoteHook", "runner_blobs.components:NoteHook")


@hookimpl
def runner_check(config):
    size = config.train_dataloader.dataset.get("size", 8)
    if size % 2:
        yield Problem(code="odd-blobs", path="train_dataloader.dataset.size", message=f"{size} is odd")


@hookimpl
def runner_commands(app):
    @app.command("count-blobs")
    def count_blobs(number: int = 2) -> None:
        """Count blobs."""
        typer.echo(f"{number} blobs")

    @app.command("fail-blobs")
    def fail_blobs() -> int:
        """Exit as a command whose config has problems does."""
        return 1


@hookimpl
def runner_bases():
    return Path(__file__).parent / "configs"
