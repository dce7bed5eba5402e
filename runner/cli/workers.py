"""The flags that change how loaders read: each is an override for every loader that the config has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from runner.cli.arguments import override
from runner.cli.loading import composed

__all__ = ["NoPersistentWorkers", "NoPinMemory", "home", "worker_rows"]

NoPinMemory = Annotated[bool, typer.Option("--no-pin-memory", help="Read batches into ordinary memory.")]
NoPersistentWorkers = Annotated[
    bool, typer.Option("--no-persistent-workers", help="End the loaders' processes after each pass over the data.")
]

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def worker_rows(
    config: str,
    overrides: Sequence[str],
    unset: Sequence[str] | None,
    *,
    no_pin_memory: bool,
    no_persistent_workers: bool,
) -> list[str]:
    """The overrides that the flags stand for.

    Args:
        config: The config's file.
        overrides: Those that are there already.
        unset: Keys that are taken out.
        no_pin_memory: Whether pinned memory is turned off.
        no_persistent_workers: Whether processes are ended after each pass.
    """
    keys = [key for key, off in (("pin_memory", no_pin_memory), ("persistent_workers", no_persistent_workers)) if off]
    if not keys:
        return []
    composition = composed(config, overrides, unset)
    homes = [home(composition.raw, name) for name in _LOADERS if isinstance(composition.data.get(name), dict)]
    return [override(f"{place}.{key}", False) for place in dict.fromkeys(homes) for key in keys]


def home(raw: Any, name: str) -> str:
    """Where a field's value is written: itself, or the place that it refers to as `${place}`.

    Args:
        raw: The composed config with `${…}` as written.
        name: The field.
    """
    value = raw.get(name) if isinstance(raw, dict) else None
    while isinstance(value, str) and (reference := _REFERENCE.fullmatch(value)):
        name = reference[1]
        value = raw
        for part in name.split("."):
            value = (
                value[int(part)] if isinstance(value, list) else value.get(part) if isinstance(value, dict) else None
            )
    return name
