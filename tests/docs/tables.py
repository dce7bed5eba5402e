"""The parts of the documentation that are made from the code.

`python tests/docs/tables.py` writes them anew, and the picture with them; the tests hold them against the code.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from documents import DOCUMENTS, regenerate
from picture import PICTURE, picture

from runner.assemble import DEFAULT_HOOKS
from runner.cli.app import COMMANDS
from runner.config import bases, builder, document, interpolate
from runner.hooks import Hook, Priority, get_priority
from runner.kinds import KINDS
from runner.plugin import default_plugins, hookspecs
from runner.registry import HOOKS
from runner.signature import describe
from runner.validation import codes, explain, fields

__all__ = ["PARTS", "parts"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


def _first_sentence(text: str) -> str:
    """The first sentence of a docstring or a page, on one line."""
    return re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def fields_() -> str:
    """Every top-level field."""

    def rows() -> Iterable[Sequence[str]]:
        for name in fields.names():
            schema = fields.load(name)
            yield (
                f"`{name}`",
                schema["description"],
                f"`{json.dumps(schema['default'])}`" if "default" in schema else "",
            )

    return _table(["Field", "What it is", "Default"], rows())


def limits() -> str:
    """How large a config may be."""
    rows = [
        ("one file", f"{document.MAX_BYTES:,} bytes"),
        ("keys and values together, aliases written out", f"{builder.MAX_VALUES:,}"),
        ("mappings and lists in one another", f"{builder.MAX_DEPTH} deep"),
        ("files that a config builds on", f"{bases._MOST_FILES}, of which {bases._LONGEST_CHAIN} one upon the other"),
        ("`${…}`", f"{interpolate._MOST_REFERENCES:,}"),
    ]
    return _table(["What", "At most"], rows)


def kinds() -> str:
    """The roles that a component can play."""
    rows = [
        (
            f"`{kind.name}`",
            kind.doc,
            f"`{kind.base.rpartition('.')[2].replace(':', '.').rpartition('.')[2]}`" if kind.base else "",
            f"`{kind.registry}`",
            _code(kind.injected),
            _code(kind.engine_keys),
        )
        for kind in KINDS.values()
    ]
    head = ["Kind", "What it is", "Base class", "Registry", "Passed by the engine", "Read by the engine"]
    return _table(head, rows)


def specs() -> str:
    """What a plugin can do."""
    found = [spec for name, spec in vars(hookspecs).items() if name.startswith("runner_")]
    rows = [
        (f"`{spec.__name__}({', '.join(inspect.signature(spec).parameters)})`", _first_sentence(spec.__doc__))
        for spec in found
    ]
    return _table(["Spec", "What it does"], rows)


def builtin() -> str:
    """What comes with the project, by kind; torch's optimizers depend on its version."""
    found: dict[str, list[str]] = {}
    for entry in default_plugins().catalog.entries():
        if entry.plugin == "runner" and entry.kind != "optimizer":
            found.setdefault(entry.kind, []).append(entry.name)
    found["optimizer"] = ["every optimizer of `torch.optim`, `ZeroRedundancyOptimizer`"]
    rows = [(f"`{kind}`", names[0] if kind == "optimizer" else _code(names)) for kind, names in found.items()]
    return _table(["Kind", "Components"], sorted(rows, key=lambda row: list(KINDS).index(row[0].strip("`"))))


def hook_points() -> str:
    """The points at which hooks are called, in the order in which they are first reached."""

    def rows() -> Iterable[Sequence[str]]:
        for number, name in enumerate(Hook.stages, 1):
            method = getattr(Hook, name)
            arguments = [each for each in inspect.signature(method).parameters if each not in {"self", "runner"}]
            said = _first_sentence(method.__doc__).removeprefix("Is called ").partition(";")[0].removesuffix(".")
            yield str(number), f"`{name}`", said, _code(arguments)

    return _table(["", "Point", "Called", "Given beside the runner"], rows())


def default_hooks() -> str:
    """The hooks that every run has."""

    def rows() -> Iterable[Sequence[str]]:
        for key, cfg in DEFAULT_HOOKS.items():
            cls = HOOKS.get(cfg["type"])
            number = get_priority(cls.priority)
            summary = describe(cls, catalog=default_plugins().catalog).summary
            yield f"`{key}`", f"`{cfg['type']}`", f"{Priority(number).name} ({number})", summary

    return _table(["Key", "Type", "Priority", "What it does"], rows())


def priorities() -> str:
    """The named levels."""
    return ", ".join(f"`{level.name}` {level.value}" for level in Priority) + ".\n"


def problem_codes() -> str:
    """Every code, with what it means."""
    rows = [(f"`{code}`", _first_sentence(explain(code).split("\n\n")[1])) for code in codes()]
    return _table(["Code", "What it means"], rows)


def commands() -> str:
    """What each command does and takes."""

    def rows() -> Iterable[Sequence[str]]:
        for name, does in COMMANDS.items():
            arguments = [each.make_metavar(None) for each in _parameters(name) if each.param_type_name == "argument"]
            yield f"`{' '.join(['runner', name, *(each.strip('{}') for each in arguments)])}`", does

    return _table(["Command", "What it does"], rows())


def options() -> str:
    """The options, with the commands that take them."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in COMMANDS:
        for each in _parameters(name):
            if each.param_type_name == "option" and "completion" not in each.name:
                flags = ", ".join(f"`{flag}`" for flag in each.opts)
                value = "" if each.is_flag else f" `{each.metavar}`" if each.metavar else ""
                found.setdefault((flags + value, each.help or ""), []).append(name)
    return _table(["Option", "What it does", "Of"], [(*key, ", ".join(names)) for key, names in found.items()])


def _parameters(name: str) -> list[Any]:
    command: Any = typer.main.get_command(import_module(f"runner.cli.{name.replace('-', '_')}").app)
    return [each for each in command.params if each.name != "help"]


PARTS: Mapping[str, Callable[[], str]] = {
    "fields": fields_,
    "limits": limits,
    "kinds": kinds,
    "specs": specs,
    "builtin": builtin,
    "hook-points": hook_points,
    "default-hooks": default_hooks,
    "priorities": priorities,
    "codes": problem_codes,
    "commands": commands,
    "options": options,
}
"""What each generated part of a document is made by."""


def parts() -> dict[str, str]:
    """All of them."""
    return {name: make() for name, make in PARTS.items()}


if __name__ == "__main__":
    for each in DOCUMENTS:
        regenerate(each, parts())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        PICTURE.write_text(picture(Path(folder)), encoding="utf-8")
