"""What this distribution offers. Nothing heavy is imported here: the names are enough until a run builds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner import hookimpl

if TYPE_CHECKING:
    from runner.plugin import Registration


@hookimpl
def runner_register(catalog: Registration) -> None:
    """Declare every component of this distribution."""
    catalog.dataset("TarShards", "runner_streaming.dataset:TarShards")
