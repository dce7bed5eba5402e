"""What a plugin can do: every spec on one page, each docstring the contract.

A plugin is an installed distribution with an entry point in the group `runner` that names a light module::

    [project.entry-points.runner]
    vision = "runner_vision.plugin"

The entry point's name is the plugin's name: `vision.CIFAR10` is the qualified name of its component `CIFAR10`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from runner.config import Config
    from runner.errors import Problem
    from runner.plugin.catalog import Registration

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "runner"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def runner_register(catalog: Registration) -> None:
    """Declare components: `catalog.dataset("CIFAR10", "runner_vision.datasets:CIFAR10")`.

    Called once when plugins are discovered, also by commands that only read. It must not import what it declares: a
    target is `module:attribute`, read as text by `validate` and imported when a run builds it. It must not open files,
    start processes or look at the environment.
    """


@hookspec
def runner_check(config: Config) -> Iterable[Problem]:
    """Find problems that no schema can say, in a config whose fields and components are in order.

    Called by every command that validates. Returns the problems, with the path of the value at fault; their origin is
    filled in where it is missing. It must not import torch, change the config, or touch the disk.
    """
    raise NotImplementedError


@hookspec
def runner_commands(app: typer.Typer) -> None:
    """Add commands: `app.command("export-onnx")(export)`.

    Called when a command line is parsed. A command's module is best imported inside the command.
    """


@hookspec
def runner_bases() -> Path:
    """Name the folder of configs that the plugin ships, for `_base_: vision::digits.yaml`.

    Returns an absolute path. Called only when a config names the plugin so.
    """
    raise NotImplementedError
