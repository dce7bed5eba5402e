"""Reading configs for commands: what is wrong with one is shown, with the lines it stands in, and refuses it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runner.cli.failure import CONFIG
from runner.config import Composition, Config, compose
from runner.config.find import Found, find_configs
from runner.plugin import default_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.errors import Problem
    from runner.validation.local_code import LocalCode

__all__ = ["checked", "composed", "config_files", "file_argument", "loaded", "on_offer"]


def file_argument(name: str) -> Path:
    """A positional argument as a file: never one that holds `=`, which was meant for an override."""
    if "=" in name:
        raise typer.BadParameter(f"'{name}' is no file; write an override as `-o {name}`")
    return Path(name)


def config_files(names: Sequence[str], *, skip_others: bool, verbose: bool, parts: bool = False) -> Found:
    """The configs that files, folders and patterns stand for.

    Args:
        names: What was given on the command line.
        skip_others: Skip named files that are no configs.
        verbose: Say which files are skipped.
        parts: Take files too that other configs are made of.

    Raises:
        typer.BadParameter: A folder or a pattern holds no config, so that checking it would say nothing.
    """
    from runner.validation import fields

    found = find_configs(
        [str(file_argument(name)) for name in names], fields.names(), skip_others=skip_others, parts=parts
    )
    if verbose:
        for file in found.skipped:
            typer.echo(f"skipped: {file} has neither model nor _base_ at its top", err=True)
    if found.empty:
        raise typer.BadParameter(
            f"'{found.empty[0]}' holds no config; a config ends in .yaml, .yml or .json and has 'model' or '_base_' at "
            "its top"
        )
    return found


def composed(name: str, overrides: Sequence[str] | None = None, unset: Sequence[str] | None = None) -> Composition:
    """Compose a config, problems and all."""
    file = file_argument(name)
    return compose(file, overrides=overrides or (), unset=unset or (), find_package=default_plugins().bases)


def loaded(name: str, overrides: Sequence[str] | None, unset: Sequence[str] | None) -> Config:
    """Compose a config; ends the command where its text has problems."""
    composition = composed(name, overrides, unset)
    _refuse(composition.problems, composition)
    return Config.from_composition(composition)


def checked(
    name: str,
    overrides: Sequence[str] | None,
    unset: Sequence[str] | None,
    *,
    leave_out: Sequence[str] = (),
    device: str | None = None,
) -> Config:
    """Compose a config and check all of it; ends the command where it has problems.

    Args:
        name: The file.
        overrides: Changes such as `a.b=1`.
        unset: Keys to take out before others are read.
        leave_out: Fields to take out at last, so that what refers to one keeps its value.
        device: What the run was asked to use.
    """
    from runner.validation import check

    composition = composed(name, overrides, unset)
    if leave_out and not any(problem.severity == "error" for problem in composition.problems):
        config = Config.from_composition(composition)
        for field in leave_out:
            config.pop(field, None)
        composition = config.composition
    _refuse(check(composition, device=device), composition)
    return Config.from_composition(composition)


def on_offer(name: str | None) -> LocalCode:
    """The installed components, with those that a config's `custom_imports` add where one is named."""
    from runner.validation.local_code import LocalCode, read_local_code

    catalog = default_plugins().catalog
    if name is None:
        return LocalCode(catalog=catalog)
    composition = composed(name)
    local = read_local_code(composition.data.get("custom_imports"), composition, catalog)
    _refuse([*composition.problems, *local.problems], composition)
    return local


def _refuse(problems: Sequence[Problem], composition: Composition) -> None:
    from runner.validation import render_text

    if problems:
        typer.echo(render_text(problems, composition.sources, color=sys.stderr.isatty()), err=True, nl=False)
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(CONFIG)
