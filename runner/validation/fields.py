"""The schema files: one per top-level field, and the root that joins them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Schema", "folder", "load", "names", "root"]

Schema: TypeAlias = "dict[str, Any]"

ROOT = "root"


@functools.cache
def folder() -> Path:
    """Where the schema files lie: `runner/schemas` of an installed wheel, else `schemas` of the checkout.

    Raises:
        FileNotFoundError: Neither is there: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "schemas", package.parent / "schemas"):
        if (candidate / f"{ROOT}.json").is_file():
            return candidate
    raise FileNotFoundError(f"no {ROOT}.json in {package / 'schemas'}; reinstall yaml-runner")


@functools.cache
def names() -> tuple[str, ...]:
    """The top-level fields, in the root's order."""
    return tuple(root()["properties"])


@functools.cache
def root() -> Schema:
    """The root as it is written: its properties refer to the fields' files."""
    return _read(ROOT)


@functools.cache
def load(name: str) -> Schema:
    """A field's schema with every reference put in place of its name.

    Args:
        name: A top-level field.

    Raises:
        FileNotFoundError: There is no such field.
    """
    schema: Schema = _inline(_read(name), name)
    # With `$schema` in it, jsonschema would leave our keywords for the standard's at this point.
    return {key: value for key, value in schema.items() if key not in {"$defs", "$schema"}}


@functools.cache
def _read(name: str) -> Schema:
    schema: Schema = json.loads((folder() / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def _inline(node: Any, name: str) -> Any:
    """Replace `$ref`s, which lead into this file (`#/…`) or another one (`other.json#/…`); none leads to itself."""
    if isinstance(node, list):
        return [_inline(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    inlined = {key: _inline(value, name) for key, value in node.items() if key != "$ref"}
    reference = node.get("$ref")
    if reference is None:
        return inlined
    file, _, pointer = reference.partition("#")
    home = file.removesuffix(".json") or name
    target: Any = _read(home)
    for part in filter(None, pointer.split("/")):
        target = target[part]
    return {**_inline(target, home), **inlined}
