"""Reading configs for commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runner.config import Composition, Config, compose
from runner.plugin import default_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["composed", "loaded"]


def _file(name: str) -> Path:
    if "=" in name and not Path(name).exists():
        raise typer.BadParameter(f"'{name}' is no config file; write an override as `-o {name}`")
    return Path(name)


def composed(name: str, overrides: Sequence[str] | None, unset: Sequence[str] | None) -> Composition:
    """Compose a config, problems and all."""
    return compose(_file(name), overrides=overrides or (), unset=unset or (), find_package=default_plugins().bases)


def loaded(name: str, overrides: Sequence[str] | None, unset: Sequence[str] | None) -> Config:
    """Compose a config.

    Raises:
        ConfigError: It has problems.
    """
    return Config.fromfile(
        _file(name), overrides=overrides or (), unset=unset or (), find_package=default_plugins().bases
    )
