"""Arguments as users of OpenMMLab's scripts write them, turned into what a parser without surprises takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Configs",
    "Device",
    "For",
    "Format",
    "Overrides",
    "SkipOthers",
    "Unset",
    "Verbose",
    "known_format",
    "normalize",
    "override",
    "write_out",
]


def known_format(*formats: str) -> Callable[[str], str]:
    """What refuses a `--format` that is none of these."""

    def check(value: str) -> str:
        if value not in formats:
            raise typer.BadParameter(f"'{value}' is no format; give {', '.join(formats[:-1])} or {formats[-1]}")
        return value

    return check


def write_out(file: str, text: str) -> None:
    """Write what `--out FILE` asks for.

    Raises:
        typer.BadParameter: The file can't be written.
    """
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"'{file}' can't be written: {error.strerror}", param_hint="--out") from error


Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", metavar="KEY=VALUE", help="Set a value; repeatable. `a.0.b` indexes lists."),
]
Unset = Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Delete a key; repeatable.")]
Format = Annotated[
    str, typer.Option("--format", metavar="text|json", help="How to print.", callback=known_format("text", "json"))
]
For = Annotated[
    str | None, typer.Option("--for", metavar="CFG", help="With the components in this config's custom_imports.")
]


def _known_device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|[a-z]+(:\d+)?", value) or value == "gpu":
        raise typer.BadParameter(f"'{value}' is no device; give auto, cpu, cuda, cuda:N or mps")
    return value


Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="Where to run; auto: an accelerator.",
        callback=_known_device,
    ),
]
Configs = Annotated[list[str], typer.Argument(metavar="CFG...", help="Config files, folders of them, patterns.")]
SkipOthers = Annotated[bool, typer.Option("--skip-others", help="Skip named files that are no configs.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Name the files that are skipped.")]


def normalize(argv: list[str]) -> list[str]:
    """Rewrite `--cfg-options a=1 b=2` as `-o a=1 -o b=2`, and `--resume` without a value as `--resume=auto`."""
    return list(_normalized(list(argv)))


def _normalized(argv: list[str]) -> Iterator[str]:
    in_options = False
    while argv:
        argument = argv.pop(0)
        if argument == "--":
            yield argument
            yield from argv
            return
        if argument.startswith("--cfg-options"):
            in_options = True
            _, equals, value = argument.partition("=")
            if equals:
                yield from ("-o", value)
        elif in_options and "=" in argument and not argument.startswith("-"):
            yield from ("-o", argument)
        elif argument == "--resume":
            in_options = False
            yield f"--resume={argv.pop(0) if argv and _is_resume_value(argv[0]) else 'auto'}"
        else:
            in_options = False
            yield argument


def _is_resume_value(argument: str) -> bool:
    """A step, `auto`, `last`, `best` or a checkpoint's path; a config's path and the next option are none."""
    return (
        argument in {"auto", "last", "best"}
        or argument.startswith("best:")
        or argument.isdecimal()
        or argument.endswith((".pth", ".pt", ".ckpt"))
    )


def override(key: str, value: Any) -> str:
    """A flag's value as an override: JSON is YAML that needs no guessing."""
    return f"{key}={json.dumps(value)}"
