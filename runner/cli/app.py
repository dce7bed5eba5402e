"""The group of commands: what there is, loaded one by one, and what an error exits with."""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from runner.cli.arguments import normalize
from runner.cli.failure import RUN, report
from runner.masking import masked_output

if TYPE_CHECKING:
    from typer.core import TyperCommand

    from runner.plugin import Plugins

__all__ = ["COMMANDS", "run"]

COMMANDS: Mapping[str, str] = {
    "init": "Write a config to start from, for a task, with what is installed.",
    "validate": "Find every mistake in configs, without running anything.",
    "train": "Train what a config describes.",
    "test": "Test a checkpoint of what a config describes.",
    "checkpoints": "List the checkpoints of a work directory, the newest first, and verify them.",
    "predict": "Say what a trained model makes of files, a JSON line for each input.",
    "export": "Write a trained model as a program that needs none of this, checked against the original.",
    "show": "Print a composed config, or a part of it, with where each value came from.",
    "diff": "Print what differs between two composed configs, with where each value came from.",
    "plan": "Show what a run will do: its schedules, when it validates and saves, and its hooks in calling order.",
    "verify-resume": "Train some steps straight through, and again killed and resumed, and compare everything.",
    "summary": "Print a model's parameters, FLOPs and activations by module, for a real sample.",
    "format": "Put the fields of configs in order, and indent them alike, in place.",
    "schema": "Print the JSON Schema of configs, with every installed component.",
    "components": "List the components on offer.",
    "describe": "Print what a component's type takes.",
    "plugins": "List the installed plugins and what is wrong with them.",
    "env": "Print what a run would run on: versions, devices, compilers.",
    "explain": "Explain a problem's code.",
}
"""Each command's module under `runner.cli`, and its line in the help: written here so that help loads none of them."""


class LazyGroup(TyperGroup):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Our commands in their order, then the plugins'."""
        del ctx
        return [*COMMANDS, *sorted(_added())]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | Any | None:
        """The command of that name, imported now."""
        del ctx
        if cmd_name in COMMANDS:
            name = cmd_name.replace("-", "_")
            command = typer.main.get_command(importlib.import_module(f"runner.cli.{name}").app)
            command.name = cmd_name
            return command
        return _added().get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names; says what was probably meant where there is none."""
        if not args[0].startswith("-") and args[0] not in COMMANDS and args[0] not in _added():
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0], known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(known)}"
            ctx.fail(f"there is no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The help's list of commands, from the table alone."""
        del ctx
        rows = [*COMMANDS.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in sorted(_added().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _added() -> dict[str, Any]:
    """The plugins' commands; what is wrong with one is said, and takes down no command that does not need it."""
    from runner.plugin import default_plugins

    return _added_by(default_plugins())


@functools.lru_cache(maxsize=1)
def _added_by(plugins: Plugins) -> dict[str, Any]:
    from runner.cli.plugin_commands import plugin_commands

    commands, problems = plugin_commands(plugins, frozenset(COMMANDS))
    for problem in problems:
        typer.echo(str(problem), err=True)
    return commands


app = typer.Typer(
    cls=LazyGroup, rich_markup_mode=None, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"yaml-runner {version('yaml-runner')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Train PyTorch models from one strict YAML file."""
    del version


def run(argv: list[str]) -> int:
    """Run one command; returns the exit code. What it writes holds nothing that a config took from the environment."""
    with masked_output():
        return _run(argv)


def _run(argv: list[str]) -> int:
    try:
        code = app(normalize(argv), prog_name="runner", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - every error ends in a message and an exit code
        return report(error)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        return RUN
    # The parser makes 130 of Ctrl-C.
    return RUN if code == 130 else code if isinstance(code, int) else 0
