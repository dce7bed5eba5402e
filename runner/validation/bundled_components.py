"""Slots and components as standard JSON Schema: a choice of names, and for each name its arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from runner.errors import SignatureError
from runner.kinds import KINDS
from runner.plugin import Catalog, Entry
from runner.signature import Signature, describe
from runner.validation.branches import BARE
from runner.validation.components import component_schema, handed_on
from runner.validation.fields import Schema

__all__ = ["Choices"]

_REFERENCE: Schema = {"$ref": "#/$defs/reference"}


class Plain(Protocol):
    """Turns one of our schemas into a standard one."""

    def __call__(self, node: Any, *, partial: bool) -> Any:
        """`partial`: for a mapping that merges with a base's."""


class Choices:
    """The definitions of slots and components.

    A slot is an `enum` of names with an `if`/`then` for each, so that an editor completes and checks the arguments of
    the type that is given, and a mistake is shown at its own place.

    Args:
        catalog: The components to offer.
        folders: Where local files lie, for reading them.
        plain: Turns what is inside a component into standard keywords.
    """

    def __init__(self, catalog: Catalog, folders: Sequence[Path], plain: Plain) -> None:
        self.definitions: dict[str, Schema] = {}
        self._unions: dict[str, list[str]] = {}
        self._catalog = catalog
        self._folders = folders
        self._plain = plain

    def slot(self, node: Mapping[str, Any], *, partial: bool) -> Schema:
        """A reference to the kind's definition; a place with keys or a default type of its own gets its own."""
        kind = node["x-slot"]
        told = {key: node[key] for key in ("title", "description", "default") if key in node}
        default = node.get("x-default-type", KINDS[kind].default_type)
        extra = node.get("properties", {})
        name = f"slot.{kind}" if default == KINDS[kind].default_type and not extra else f"slot.{kind}.{_slug(default)}"
        name = f"partial.{name}" if partial else name
        if name not in self.definitions:
            self.definitions[name] = {}  # holds the place while components that contain themselves are read
            self.definitions[name] = self._slot(kind, default, extra, partial=partial)
        reference = {"$ref": f"#/$defs/{name}"}
        nullable = "null" in (node.get("type") or ())
        return {**told, "anyOf": [reference, {"type": "null"}]} if nullable else {**told, **reference}

    def _slot(self, kind: str, default: Any, extra: Mapping[str, Schema], *, partial: bool) -> Schema:
        named = self._named(kind)
        choice: Schema = {
            "title": kind,
            "type": "object",
            "properties": {
                "type": self._names(kind, named),
                **{key: self._plain(schema, partial=partial) for key, schema in extra.items()},
            },
        }
        cases = [(_called(names), self._any_of(entries, extra, partial)) for names, entries in _by_entries(named)]
        if isinstance(default, Mapping):
            cases += self._chosen_by_keys(default, named, extra, choice, partial=partial)
        elif default in named and not partial:
            cases.append(({"properties": {"type": False}}, self._component(named[default][0], extra, partial=False)))
        elif default is None and not partial:
            choice["required"] = ["type"]
        if partial and cases:
            cases.append((_untyped(default), self._any_component(kind, named, extra, default)))
        if cases:
            choice["allOf"] = [{"if": given, "then": then} for given, then in cases]
        # Language servers complete values from `anyOf` and `enum`, and look for none under `then` and `else`.
        forms = [{"type": "object"}, *self._bare(kind, named), _REFERENCE]
        return {"anyOf": forms, "if": {"type": "object"}, "then": choice}

    def _chosen_by_keys(
        self,
        default: Mapping[str, Mapping[str, str]],
        named: Mapping[str, list[Entry]],
        extra: Mapping[str, Schema],
        choice: Schema,
        *,
        partial: bool,
    ) -> list[tuple[Schema, Schema]]:
        """The cases of a slot whose type another key chooses (`by_epoch`); that key or `type` is given, never both."""
        cases: list[tuple[Schema, Schema]] = []
        for key, types in default.items():
            for value, name in types.items():
                given = {"properties": {key: {"const": value == "true"}, "type": False}, "required": [key]}
                if name in named:
                    cases.append((given, self._component(named[name][0], extra, partial=partial)))
            if partial:
                choice["not"] = {"required": ["type", key]}
            else:
                choice["oneOf"] = [{"required": ["type"]}, {"required": [key]}]
        return cases

    def _bare(self, kind: str, named: Mapping[str, list[Entry]]) -> list[Schema]:
        """The bare names that may stand in a slot, where the kind allows that: of components that need no argument."""
        if kind not in BARE:
            return []
        simple = {
            name: entries
            for name, entries in named.items()
            if not any(self._definition(entry, {}, partial=False).get("required") for entry in entries)
        }
        return [self._names(kind, simple)]

    def _named(self, kind: str) -> dict[str, list[Entry]]:
        """Who is meant by each name that may stand in a slot, those of the very kind first.

        A registry's first role takes the others' components too.
        """
        registry = KINDS[kind].registry
        first = next(other.name for other in KINDS.values() if other.registry == registry)
        offered = [
            entry for entry in self._catalog.entries() if entry.registry == registry and kind in {entry.kind, first}
        ]
        offered.sort(key=lambda entry: entry.kind != kind)
        found: dict[str, list[Entry]] = {}
        for entry in offered:
            found.setdefault(entry.name, []).append(entry)
        found = {name: [entry for entry in entries if entry.force][-1:] or entries for name, entries in found.items()}
        for entry in offered:
            found[entry.qualified] = [entry]
        return found

    def _names(self, kind: str, named: Mapping[str, list[Entry]]) -> Schema:
        """The choice of names, each with its component's summary for editors that show it (`enumDescriptions`)."""
        return {
            "title": f"{kind} type",
            "description": KINDS[kind].doc,
            "enum": list(named),
            "enumDescriptions": [self._signature(entries[0])[1] for entries in named.values()],
        }

    def _any_of(self, entries: Sequence[Entry], extra: Mapping[str, Schema], partial: bool) -> Schema:
        """A component's arguments; where several plugins offer the name, `default_scope` decides which one's."""
        several = [self._component(entry, extra, partial=partial) for entry in entries]
        return several[0] if len(several) == 1 else {"anyOf": several}

    def _component(self, entry: Entry, extra: Mapping[str, Schema], *, partial: bool) -> Schema:
        self._definition(entry, extra, partial=partial)
        return {"$ref": f"#/$defs/{_component_name(entry, extra, partial=partial)}"}

    def _definition(self, entry: Entry, extra: Mapping[str, Schema], *, partial: bool) -> Schema:
        name = _component_name(entry, extra, partial=partial)
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = _without_traps(self._plain(self._described(entry, extra), partial=partial))
        return self.definitions[name]

    def _any_component(
        self, kind: str, named: Mapping[str, list[Entry]], extra: Mapping[str, Schema], default: Any
    ) -> Schema:
        """What a mapping may hold whose `type` stands in a base: what some component of the kind takes."""
        name = f"partial.any.{kind}.{_slug(default)}"
        entries = [*named.get(str(default), ()), *(entry for several in named.values() for entry in several)]
        for entry in entries:
            self._definition(entry, extra, partial=True)
        self._unions[name] = list(dict.fromkeys(_component_name(entry, extra, partial=True) for entry in entries))
        return {"$ref": f"#/$defs/{name}"}

    def finish(self) -> None:
        """Put the definitions together that are made of others; called when all others are there."""
        for name, components in self._unions.items():
            definitions = {component: self.definitions[component] for component in components}
            found: dict[str, dict[str, Schema]] = {}
            for component, definition in definitions.items():
                for key, schema in definition.get("properties", {}).items():
                    known = found.setdefault(key, {})
                    if schema not in known.values():
                        known[f"#/$defs/{component}/properties/{key}"] = schema
            found.pop("type", None)
            closed = all(each.get("additionalProperties") is False for each in definitions.values())
            self.definitions[name] = _without_traps(
                {
                    "title": "of the base's type",
                    "properties": {key: _one_of_these(list(places)) for key, places in found.items()},
                    "additionalProperties": not closed,
                }
            )

    def _described(self, entry: Entry, extra: Mapping[str, Schema]) -> Schema:
        own = self._own(entry, extra)
        return self._with_named(own) if "properties" in own else own

    def _own(self, entry: Entry, extra: Mapping[str, Schema]) -> Schema:
        """A component's own arguments, without those of one that it names."""
        signature, summary = self._signature(entry)
        if signature is None:
            # An editor goes on without what `runner plugins` reports.
            return {"title": entry.name, "description": summary, "type": "object"}
        if entry.kind == "optim_wrapper":
            extra = {**extra, "paramwise_cfg": self._paramwise()}
        return {"description": summary, **component_schema(entry, signature, extra)}

    def _with_named(self, own: Schema) -> Schema:
        """With the arguments of any component that an argument may name: which one it does is the validator's business."""
        for key, argument in own["properties"].items():
            if "x-type-name" in argument:
                entries = self._catalog.entries(argument["x-type-name"])
                names = dict.fromkeys([*(entry.name for entry in entries), *(entry.qualified for entry in entries)])
                properties = {**own["properties"], key: {**argument, "enum": list(names)}}
                return handed_on({**own, "properties": properties}, self._any_of_these(entries))
        return own

    def _any_of_these(self, entries: Sequence[Entry]) -> Schema:
        """The arguments of several components as those of one."""
        found: dict[str, list[Schema]] = {}
        described = [self._own(entry, {}) for entry in entries]
        for schema in described:
            for key, argument in schema.get("properties", {}).items():
                known = found.setdefault(key, [])
                if all(_shape(argument) != _shape(other) for other in known):
                    known.append(argument)
        return {
            "properties": {
                key: several[0] if len(several) == 1 else {"anyOf": several} for key, several in found.items()
            },
            "required": [],
            "additionalProperties": any(schema.get("additionalProperties", True) for schema in described),
            "x-injected": (),
        }

    def _signature(self, entry: Entry) -> tuple[Signature | None, str]:
        """What is known of a component, and its summary; or that it can't be read."""
        target = entry.obj if entry.obj is not None else entry.target
        try:
            signature = describe(target, catalog=self._catalog, paths=self._folders)
        except SignatureError as error:
            return None, f"Can't be read: {error}"
        return signature, signature.summary

    def _paramwise(self) -> Schema:
        """What any of the installed constructors takes, since which one is chosen elsewhere in the mapping."""
        branches: list[Schema] = [{"type": "null"}]
        for entry in self._catalog.entries("optim_wrapper_constructor"):
            signature, _ = self._signature(entry)
            parameter = signature.parameter("paramwise_cfg") if signature is not None else None
            if parameter is not None:
                branches.append({**parameter.schema, "description": parameter.doc})
        return {"description": "Options for some of the parameters.", "anyOf": branches}


def _shape(schema: Schema) -> Schema:
    """What a schema says, without what it tells a reader."""
    return {key: value for key, value in schema.items() if key != "description"}


def _by_entries(named: Mapping[str, list[Entry]]) -> list[tuple[list[str], list[Entry]]]:
    """The names that mean the same, together."""
    found: dict[tuple[str, ...], tuple[list[str], list[Entry]]] = {}
    for name, entries in named.items():
        key = tuple(f"{entry.kind} {entry.qualified}" for entry in entries)
        found.setdefault(key, ([], entries))[0].append(name)
    return list(found.values())


def _called(names: Sequence[str]) -> Schema:
    """Whether a mapping's type is one of some names; as a pattern, since hover texts list every `enum` on their way."""
    pattern = "|".join(re.escape(name) for name in names)
    return {"properties": {"type": {"type": "string", "pattern": f"^({pattern})$"}}, "required": ["type"]}


def _untyped(default: Any) -> Schema:
    """Whether a mapping has neither a type nor a key that chooses one."""
    keys = ["type", *default] if isinstance(default, Mapping) else ["type"]
    return {"properties": dict.fromkeys(keys, False)}


def _one_of_these(places: Sequence[str]) -> Schema:
    references: list[Schema] = [{"$ref": place} for place in places]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _without_traps(schema: Schema) -> Schema:
    """yaml-language-server gives up on all completions where it would offer a key that every JavaScript object has."""
    trap = schema.get("properties", {}).get("constructor")
    if trap is not None:
        # It forgets what stands beside a `$ref`.
        schema["properties"]["constructor"] = {"doNotSuggest": True, "allOf": [trap]}
    return schema


def _component_name(entry: Entry, extra: Mapping[str, Schema], *, partial: bool) -> str:
    name = ".".join([entry.kind, entry.qualified, *sorted(extra)])
    return f"partial.{name}" if partial else name


def _slug(default: Any) -> str:
    return ".".join(default) if isinstance(default, Mapping) else str(default)
