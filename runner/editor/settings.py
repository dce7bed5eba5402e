"""VS Code's settings of a workspace: which schema goes with which files (`yaml.schemas`)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from runner.errors import RunnerError

__all__ = ["FILE", "with_schema"]

FILE = Path(".vscode", "settings.json")


def with_schema(text: str, schema: str, patterns: Sequence[str], file: Path) -> str:
    """The settings with a schema for some files; all other settings, and the order of all, stay as they are.

    Args:
        text: The settings as they are; empty where there are none yet.
        schema: The schema's path, relative to the workspace: `./.runner/schema.json`.
        patterns: Which files it is for, relative to the workspace. They join those that are there.
        file: Where the settings lie, for messages.

    Raises:
        RunnerError: The settings have comments or trailing commas, which writing them anew would lose, or they are no
            settings. The message holds the lines to write by hand.
    """
    wanted = {"yaml.schemas": {schema: list(patterns)}}
    by_hand = f"write this into it by hand:\n{json.dumps(wanted, indent=2)}"
    try:
        settings = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise RunnerError(
            f"{file}:{error.lineno}:{error.colno}: it is no plain JSON ({error.msg}), so it is left as it is; {by_hand}"
        ) from error
    schemas = settings.setdefault("yaml.schemas", {}) if isinstance(settings, dict) else None
    if not isinstance(schemas, dict):
        raise RunnerError(f"{file}: 'yaml.schemas' is no mapping there, so it is left as it is; {by_hand}")
    there = schemas.get(schema, [])
    kept = [there] if isinstance(there, str) else list(there)
    merged = [*kept, *(pattern for pattern in patterns if pattern not in kept)]
    if merged == there:
        return text
    schemas[schema] = merged
    return json.dumps(settings, indent=_indentation(text), ensure_ascii=False) + "\n"


def _indentation(text: str) -> str | int:
    """How the file is indented; VS Code's own four spaces where nothing shows it."""
    found = re.search(r"(?m)^([ \t]+)\S", text)
    return found[1] if found else 4
