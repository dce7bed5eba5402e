"""All schemas as one: every field, and every installed component, for editors and other validators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.plugin import Catalog
from runner.validation import fields
from runner.validation.bundled_components import Choices
from runner.validation.fields import Schema
from runner.validation.sound import unsound
from runner.validation.together import conditions

__all__ = ["bundle", "require_schema"]

REFERENCE: Schema = {"$ref": "#/$defs/reference"}
"""What may stand in place of any value before a config is composed."""

_DEFINED: Schema = {
    "title": "reference",
    "description": "A value from elsewhere: `${vars.NAME}`, `${a.key}` of the config, `${env:NAME,default}`.",
    "type": "string",
    "pattern": r"\$\{.+\}",
}

_BASE: Schema = {
    "description": "The configs that this one builds on: paths relative to it, or `package::path`.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}

_DELETE: Schema = {
    "description": "Put this mapping in place of the base's, instead of merging the two.",
    "type": "boolean",
}


def bundle(catalog: Catalog, folders: Sequence[Path] = (), *, comment: str = "") -> Schema:
    """The joined schema: self-contained, draft 2020-12, without keywords of our own.

    An editor sees a file before it is composed. So `${…}` is allowed in place of every value, and a file with `_base_`
    is held against a second, partial form of everything: mappings merge with the base's, so nothing is required in
    them, and one without `type` may hold what any component takes in its place. Lists replace the base's, so what is in
    them is whole.

    Args:
        catalog: The components to offer.
        folders: Where local files lie, for reading them.
        comment: What is written as the schema's `$comment`, its first key but one.
    """
    joined: Schema = _json(_Bundle(catalog, folders).schema(comment))
    return joined


def require_schema(joined: Schema) -> None:
    """Refuse a joined schema that is none: a plugin may have given a `schema=` that can't be read.

    Args:
        joined: What `bundle` gives.

    Raises:
        RunnerError: It says where in the schema.
    """
    found = unsound(joined)
    if found is not None:
        where, what = found
        message = f"the joined schema is no JSON Schema at {'/'.join(map(str, where))}: {what}; mend the `schema=` that is given there"
        raise RunnerError(message)


class _Bundle:
    """Collects definitions while it turns our schemas into standard ones."""

    def __init__(self, catalog: Catalog, folders: Sequence[Path]) -> None:
        self._choices = Choices(catalog, folders, self.plain)

    def schema(self, comment: str) -> Schema:
        root = fields.root()
        definitions = self._choices.definitions
        definitions["reference"] = _DEFINED
        told = {"title": root["title"], "type": "object", "additionalProperties": False}
        definitions["whole"] = {
            **told,
            "properties": self._fields(partial=False),
            "required": root["required"],
            "allOf": conditions(),
        }
        definitions["partial"] = {**told, "properties": {"_base_": _BASE, **self._fields(partial=True)}}
        self._choices.finish()
        return {
            "$schema": root["$schema"],
            **({"$comment": comment} if comment else {}),
            "title": root["title"],
            "description": root["description"],
            "type": "object",
            # Where an editor looks first; `whole` and `partial` say what is in each.
            "properties": {"_base_": _BASE},
            "if": {"required": ["_base_"]},
            "then": {"$ref": "#/$defs/partial"},
            "else": {"$ref": "#/$defs/whole"},
            "$defs": definitions,
        }

    def _fields(self, *, partial: bool) -> dict[str, Schema]:
        return {name: self.plain(fields.load(name), partial=partial) for name in fields.names()}

    def plain(self, node: Any, *, partial: bool) -> Any:
        """A schema in standard keywords alone, for a file that is whole or for one that a base completes."""
        if not isinstance(node, Mapping):
            return node
        if "x-slot" in node:
            return self._choices.slot(node, partial=partial)
        plain: Schema = {key: value for key, value in node.items() if not key.startswith("x-")}
        self._plain_inside(plain, partial=partial)
        if partial:
            for key in ("required", "minProperties"):
                plain.pop(key, None)
        if "properties" not in plain:
            return _or_reference(plain)
        if partial:
            plain["properties"].setdefault("_delete_", _DELETE)
        return {"type": "object", **plain}

    def _plain_inside(self, plain: Schema, *, partial: bool) -> None:
        """The same for the schemas in a schema; a list is whole even in a file that a base completes."""
        for key in ("anyOf", "oneOf", "allOf"):
            if key in plain:
                plain[key] = [self.plain(item, partial=partial) for item in plain[key]]
        if "prefixItems" in plain:
            plain["prefixItems"] = [self.plain(item, partial=False) for item in plain["prefixItems"]]
        if "items" in plain:
            plain["items"] = self.plain(plain["items"], partial=False)
        if "additionalProperties" in plain:
            plain["additionalProperties"] = self.plain(plain["additionalProperties"], partial=partial)
        if "properties" in plain:
            plain["properties"] = {
                key: self.plain(value, partial=partial) for key, value in plain["properties"].items()
            }


def _or_reference(schema: Schema) -> Schema:
    """The schema, or `${…}` in its place; a schema that takes any string takes that too."""
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types if isinstance(types, list | tuple) else ()
    if "string" in names and "pattern" not in schema:
        return schema
    if not names and not {"enum", "const", "anyOf", "oneOf"} & set(schema):
        return schema
    told: Schema = {key: schema.pop(key) for key in ("title", "description", "default") if key in schema}
    if "anyOf" in schema and len(schema) == 1:
        branches = schema["anyOf"]
        return {**told, "anyOf": branches if REFERENCE in branches else [*branches, REFERENCE]}
    return {**told, "anyOf": [schema, REFERENCE]}


def _json(node: Any) -> Any:
    """The same as JSON has it: lists for tuples; a keyword or a default that is infinite says nothing there."""
    if isinstance(node, Mapping):
        return {key: _json(value) for key, value in node.items() if not _infinite(value)}
    return [_json(item) for item in node] if isinstance(node, list | tuple) else node


def _infinite(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_infinite, value))
    return isinstance(value, float) and not math.isfinite(value)
