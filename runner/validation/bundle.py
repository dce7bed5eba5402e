"""All schemas as one: every field, and every installed component, for editors and other validators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import SignatureError
from runner.kinds import KINDS
from runner.plugin import Catalog, Entry
from runner.signature import describe
from runner.validation import fields
from runner.validation.branches import BARE
from runner.validation.components import component_schema
from runner.validation.fields import Schema

__all__ = ["bundle"]

_INTERPOLATION = {"type": "string", "pattern": r"\$\{.+\}"}
"""What may stand in place of any value before a config is composed."""


def bundle(catalog: Catalog, folders: Sequence[Path] = ()) -> Schema:
    """The joined schema: self-contained, draft 2020-12, without keywords of our own.

    A slot is an `enum` of names with an `if`/`then` for each, so that an editor completes and checks the arguments of
    the type that is given. `${…}` is allowed in place of every value, `_base_` at the top and `_delete_` in mappings,
    since an editor sees a file before it is composed.

    Args:
        catalog: The components to offer.
        folders: Where local files lie, for reading them.
    """
    joined: Schema = _json(_Bundle(catalog, folders).schema())
    return joined


class _Bundle:
    def __init__(self, catalog: Catalog, folders: Sequence[Path]) -> None:
        self._catalog = catalog
        self._folders = folders
        self._definitions: dict[str, Schema] = {}

    def schema(self) -> Schema:
        root = fields.root()
        properties: dict[str, Schema] = {
            "_base_": {
                "description": "The configs that this one builds on: paths relative to it, or `package::path`.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            }
        }
        for name in fields.names():
            properties[name] = self._plain(fields.load(name))
        return {
            "$schema": root["$schema"],
            "title": root["title"],
            "description": root["description"],
            "type": "object",
            "properties": properties,
            # What a base brings in need not stand in the file itself.
            "if": {"not": {"required": ["_base_"]}},
            "then": {"required": root["required"]},
            "additionalProperties": False,
            "$defs": self._definitions,
        }

    def _plain(self, node: Any) -> Any:
        """A schema in standard keywords alone."""
        if not isinstance(node, Mapping):
            return node
        if "x-slot" in node:
            return self._slot(node)
        plain: Schema = {key: value for key, value in node.items() if not key.startswith("x-")}
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            if key in plain:
                plain[key] = [self._plain(item) for item in plain[key]]
        for key in ("items", "additionalProperties"):
            if key in plain:
                plain[key] = self._plain(plain[key])
        if "properties" in plain:
            plain["properties"] = {key: self._plain(value) for key, value in plain["properties"].items()}
            plain["properties"].setdefault("_delete_", _DELETE)
            return {"type": "object", **plain}
        return _or_interpolation(plain)

    def _slot(self, node: Mapping[str, Any]) -> Schema:
        """A reference to the kind's definition; a place with keys or a default type of its own gets its own."""
        kind = node["x-slot"]
        told = {key: node[key] for key in ("description", "default") if key in node}
        default = node.get("x-default-type", KINDS[kind].default_type)
        extra = node.get("properties", {})
        name = f"slot.{kind}" if default == KINDS[kind].default_type and not extra else f"slot.{kind}.{_slug(default)}"
        if name not in self._definitions:
            self._definitions[name] = {}  # holds the place while components that contain themselves are read
            self._definitions[name] = self._choice(kind, default, extra)
        reference = {"$ref": f"#/$defs/{name}"}
        nullable = "null" in (node.get("type") or ())
        return {**told, "anyOf": [reference, {"type": "null"}]} if nullable else {**told, **reference}

    def _choice(self, kind: str, default: Any, extra: Mapping[str, Schema]) -> Schema:
        """What may stand in a slot: one of the names, and the arguments that go with it."""
        entries = {name: entry for entry in self._offered(kind) for name in (entry.name, entry.qualified)}
        choice: Schema = {
            "type": "object",
            "properties": {"type": {"description": f"Which {kind}.", "enum": sorted(entries)}},
        }
        cases: list[tuple[Schema, Entry]] = [
            ({"properties": {"type": {"const": name}}, "required": ["type"]}, entry) for name, entry in entries.items()
        ]
        if isinstance(default, Mapping):
            for key, types in default.items():
                for value, name in types.items():
                    told = {key: {"const": value == "true"}, "type": False}
                    cases += [({"properties": told, "required": [key]}, entries[name])] if name in entries else []
                choice["oneOf"] = [{"required": ["type"]}, {"required": [key]}]
        elif default is None:
            choice["required"] = ["type"]
        elif default in entries:
            cases.append(({"properties": {"type": False}}, entries[default]))
        if cases:
            choice["allOf"] = [{"if": given, "then": self._component(entry, extra)} for given, entry in cases]
        bare: Schema = {"anyOf": [{"enum": sorted(entries)}, _INTERPOLATION]} if kind in BARE else _INTERPOLATION
        return {"if": {"type": "object"}, "then": choice, "else": bare}

    def _offered(self, kind: str) -> list[Entry]:
        """The components that may play a role: a registry's first role takes the others' too."""
        registry = KINDS[kind].registry
        first = next(other.name for other in KINDS.values() if other.registry == registry)
        return [
            entry for entry in self._catalog.entries() if entry.registry == registry and kind in {entry.kind, first}
        ]

    def _component(self, entry: Entry, extra: Mapping[str, Schema]) -> Schema:
        name = f"{entry.kind}.{entry.qualified}" + (f".{'.'.join(sorted(extra))}" if extra else "")
        if name not in self._definitions:
            self._definitions[name] = {}
            self._definitions[name] = self._plain(self._described(entry, extra))
        return {"$ref": f"#/$defs/{name}"}

    def _described(self, entry: Entry, extra: Mapping[str, Schema]) -> Schema:
        target = entry.obj if entry.obj is not None else entry.target
        try:
            signature = describe(target, catalog=self._catalog, paths=self._folders)
        except SignatureError as error:
            # An editor goes on without what `runner plugins` reports.
            return {"title": entry.name, "description": f"Can't be read: {error}", "type": "object"}
        if entry.kind == "optim_wrapper":
            extra = {**extra, "paramwise_cfg": self._paramwise()}
        return {"description": signature.summary, **component_schema(entry, signature, extra)}

    def _paramwise(self) -> Schema:
        """What any of the installed constructors takes, since which one is chosen elsewhere in the mapping."""
        branches: list[Schema] = [{"type": "null"}]
        for entry in self._catalog.entries("optim_wrapper_constructor"):
            signature = describe(entry.obj or entry.target, catalog=self._catalog, paths=self._folders)
            parameter = signature.parameter("paramwise_cfg")
            if parameter is not None:
                branches.append({**parameter.schema, "description": parameter.doc})
        return {"description": "Options for some of the parameters.", "anyOf": branches}


_DELETE = {"description": "Put this mapping in place of the base's, instead of merging the two.", "type": "boolean"}


def _or_interpolation(schema: Schema) -> Schema:
    """The schema, or `${…}` in its place; a schema that takes any string takes that too."""
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types or ()
    if "string" in names and "pattern" not in schema:
        return schema
    if not names and not {"enum", "const", "anyOf", "oneOf"} & set(schema):
        return schema
    told: Schema = {key: schema.pop(key) for key in ("title", "description", "default") if key in schema}
    if "anyOf" in schema and len(schema) == 1:
        branches = schema["anyOf"]
        return {**told, "anyOf": branches if _INTERPOLATION in branches else [*branches, _INTERPOLATION]}
    return {**told, "anyOf": [schema, _INTERPOLATION]}


def _json(node: Any) -> Any:
    """The same as JSON has it: lists for tuples; a keyword or a default that is infinite says nothing there."""
    if isinstance(node, Mapping):
        return {key: _json(value) for key, value in node.items() if not _infinite(value)}
    return [_json(item) for item in node] if isinstance(node, list | tuple) else node


def _infinite(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_infinite, value))
    return isinstance(value, float) and not math.isfinite(value)


def _slug(default: Any) -> str:
    return ".".join(default) if isinstance(default, Mapping) else str(default)
