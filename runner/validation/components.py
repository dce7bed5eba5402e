"""Components as schemas: the keyword `x-slot` finds what a mapping's `type` means and descends into its signature.

Only the components that a config names are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError

from runner.errors import RegistryError, Severity, SignatureError
from runner.kinds import KINDS, Kind
from runner.plugin import LOCAL, Catalog, Entry
from runner.signature import Signature, describe
from runner.validation.branches import BARE, misspelt_type, types_of
from runner.validation.fields import Schema
from runner.validation.keywords import wrong_type
from runner.validation.mistake import Mistake, did_you_mean, json_type, listed
from runner.validation.other_type import other_type
from runner.validation.suggest import nearest

__all__ = ["Components", "component_schema", "handed_on"]


_CALLED = frozenset({"function", "runner"})
"""Kinds whose required arguments are what they are called with: a batch, or the config's own fields."""


def component_schema(entry: Entry, signature: Signature, extra: Mapping[str, Schema] | None = None) -> Schema:
    """The closed schema of one component's mapping.

    Args:
        entry: The component; a `schema` of its own refines what the signature says, argument by argument.
        signature: Its constructor.
        extra: Further keys, with their schemas, that the engine reads in this place.
    """
    kind = KINDS[entry.kind]
    parameters = [parameter for parameter in signature.parameters if parameter.name not in kind.injected]
    properties: dict[str, Any] = {"type": {"description": f"The {kind.name}'s name."}}
    for parameter in parameters:
        properties[parameter.name] = {**parameter.schema, "description": parameter.doc}
        if json_type(parameter.default) is not None:
            properties[parameter.name]["default"] = parameter.default
    for key, schema in {**kind.engine_keys, **(extra or {})}.items():
        properties.setdefault(key, schema)
    override = entry.schema or {}
    for key, schema in override.get("properties", {}).items():
        properties[key] = _refined(properties.get(key, {}), schema)
    # A function is called with what it requires; a transform may be one.
    called = kind.name in _CALLED or (kind.name == "transform" and not signature.bases)
    required = [parameter.name for parameter in parameters if parameter.required and not called]
    return {
        "title": entry.name,
        "properties": properties,
        "required": [name for name in override.get("required", required) if name != "type"],
        "additionalProperties": override.get("additionalProperties", signature.open),
        "x-injected": kind.injected,
    }


def handed_on(own: Schema, named: Schema) -> Schema:
    """The schema of a component that takes the arguments of another one, which it names, beside its own.

    Args:
        own: Its own schema.
        named: That of the component that it names.
    """
    more = {key: schema for key, schema in named["properties"].items() if key not in own["properties"]}
    return {
        **own,
        "properties": {**own["properties"], **more},
        "required": [*own["required"], *(name for name in named["required"] if name in more)],
        "additionalProperties": own["additionalProperties"] or named["additionalProperties"],
        "x-injected": (*own["x-injected"], *named["x-injected"]),
    }


_SHAPES = frozenset({"type", "enum", "const", "anyOf", "oneOf", "x-slot"})
"""Keywords that say what a value is; all others bound it."""


def _refined(derived: Schema, given: Schema) -> Schema:
    """An argument's schema with a plugin's own over it: bounds are added, another shape takes the derived one's place."""
    told = ("description", "default")
    kept = {key: derived[key] for key in told if key in derived} if _SHAPES & set(given) else derived
    return {**kept, **given}


class Components:
    """What the validator asks about components, for one config.

    Args:
        catalog: What is on offer.
        scope: The plugin that wins where several offer a name.
        missing_types: How severe a type is that nobody offers.
        folders: Where local files lie, for reading them.
        definitions: The classes and functions in the local files, registered or not, with the file of each.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        scope: str | None,
        missing_types: Severity,
        folders: Sequence[Path] = (),
        definitions: Mapping[str, Path] | None = None,
    ) -> None:
        self.catalog = catalog
        self.scope = scope
        self.visited: dict[int, Schema] = {}
        self._missing_types = missing_types
        self._folders = folders
        self._definitions = definitions or {}
        self._schemas: dict[tuple[str, str], Schema] = {}

    def plays(self, kind: str, name: str) -> bool:
        """Whether a component of that name is on offer for a kind."""
        try:
            self.catalog.resolve(kind, name, self.scope)
        except RegistryError:
            return False
        return True

    def seen(self, instance: Mapping[str, Any], schema: Schema) -> None:
        """Remember what a mapping was held against: it may be where a misplaced key belongs."""
        self.visited[id(instance)] = schema

    def slot(self, validator: Any, kind: str, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        """The keyword `x-slot`: a mapping that stands for a component of that kind, or its bare name."""
        bare = isinstance(instance, str) and kind in BARE
        if not bare and not isinstance(instance, Mapping):
            if "type" not in schema and json_type(instance) is not None:
                yield wrong_type(instance, types_of(schema), [schema])
            return
        cfg = {"type": instance} if bare else instance
        found = self._find(KINDS[kind], cfg, schema, ("type",) if not bare else ())
        if isinstance(found, Mistake):
            yield found
            return
        try:
            derived = self._derive(found, cfg, schema)
        except SignatureError as error:
            yield _unreadable(found, error, () if bare else ("type",))
            return
        if bare:
            # All that can be wrong with a bare name is what it lacks.
            lacking = [str(error.path[-1]) for error in validator.descend(cfg, derived)]
            if lacking:
                message = f"'{found.name}' needs {listed(lacking)}; write {{type: {found.name}, {lacking[0]}: …}}"
                yield Mistake(message, code="missing-key")
        else:
            other = self._other_type(found, cfg, derived, schema)
            if other is not None:
                yield other[0]
                derived = other[1]
            yield from validator.descend(cfg, derived)
            yield from _strays(cfg, derived)

    def _other_type(
        self, found: Entry, cfg: Mapping[str, Any], derived: Schema, schema: Schema
    ) -> tuple[Mistake, Schema] | None:
        """What to hold a mapping against that was built without a `type`, if not its default one."""
        if "type" in cfg or "x-default-type" in schema:
            return None
        others = (entry for entry in self.catalog.entries(found.kind) if entry.qualified != found.qualified)
        return other_type(cfg, derived, others, lambda entry: self._derive(entry, cfg, schema))

    def named(self, kind: str, instance: Any) -> Iterator[ValidationError]:
        """The keyword `x-type-name`: a component's bare name, whose arguments stand beside it."""
        if isinstance(instance, str):
            found = self._find(KINDS[kind], {"type": instance}, {}, ())
            if isinstance(found, Mistake):
                yield found
                return
            try:
                self._signature(found)
            except SignatureError as error:
                yield _unreadable(found, error, ())

    def _find(self, kind: Kind, cfg: Mapping[str, Any], schema: Schema, place: Sequence[str]) -> Entry | Mistake:
        name = cfg.get("type", _default_type(kind, cfg, schema))
        if name is None:
            return self._without_type(kind, cfg, schema)
        if json_type(name) is None:
            target = f"{name.__module__}:{name.__qualname__}" if isinstance(name, type) else repr(name)
            return Entry(
                kind=kind.name, name=getattr(name, "__name__", target), plugin="local", target=target, obj=name
            )
        if not isinstance(name, str):
            mistake = wrong_type(name, ["string"])
            mistake.path.extendleft(reversed(place))
            return mistake
        try:
            return self.catalog.resolve(kind.name, name, self.scope)
        except RegistryError as error:
            ambiguous = len(self.catalog.candidates(kind.registry, name)) > 1
            own = None if ambiguous else self._unregistered(kind, name)
            return Mistake(
                own or str(error),
                code="ambiguous-type" if ambiguous else "unknown-type",
                path=place,
                suggestion=None if own else error.suggestion,
                severity="error" if ambiguous else self._missing_types,
            )

    def _unregistered(self, kind: Kind, name: str) -> str | None:
        """What to do about a class of the config's own files that they do not offer, or offer under another name."""
        file = self._definitions.get(name)
        local = [entry for entry in self.catalog if entry.plugin == LOCAL]
        if file is None or any(entry.name == name for entry in local):
            return None
        others = [entry.name for entry in local if entry.target.partition(":")[2] == name]
        if others:
            return f"{file.name} registers its '{name}' under another name; write {' or '.join(map(repr, others))}"
        return (
            f"{file.name} has a '{name}' that it does not register; put @{kind.registry}.register_module() above it "
            f"(from runner.registry import {kind.registry})"
        )

    def _without_type(self, kind: Kind, cfg: Mapping[str, Any], schema: Schema) -> Mistake:
        choices = _choosing_keys(schema)
        wrong = misspelt_type(cfg)
        meant = "type"
        for choice in choices if wrong is None else ():
            wrong, meant = nearest(choice, cfg, cutoff=0.75), choice
        if wrong is not None:
            message = f"no such key{did_you_mean(meant)}"
            return Mistake(message, code="unknown-key", path=(wrong,), at="key", suggestion=meant)
        names = sorted({entry.name for entry in self.catalog.entries(kind.name)})
        message = f"missing; give {' or '.join(map(repr, choices))} or the type of" if choices else "missing; name"
        example = f", such as {listed(names[:3])}" if names else ""
        return Mistake(f"{message} {kind.one}{example}", code="missing-key", path=("type",), at="key")

    def _derive(self, entry: Entry, cfg: Mapping[str, Any], schema: Schema) -> Schema:
        own = self._own(entry, cfg, schema)
        for key, argument in own["properties"].items():
            if "x-type-name" in argument:
                return handed_on(own, self._named_by(argument["x-type-name"], cfg.get(key, argument.get("default"))))
        return own

    def _named_by(self, kind: str, name: Any) -> Schema:
        """The schema of the component that an argument names; one that takes anything where it is not known."""
        anything: Schema = {"properties": {}, "required": [], "additionalProperties": True, "x-injected": ()}
        found = self._find(KINDS[kind], {"type": name}, {}, ()) if isinstance(name, str | type) else None
        try:
            return self._own(found, {}, {}) if isinstance(found, Entry) else anything
        except SignatureError:
            return anything  # `named` says so

    def _own(self, entry: Entry, cfg: Mapping[str, Any], schema: Schema) -> Schema:
        extra = dict(schema.get("properties", {}))
        if entry.kind == "optim_wrapper":
            extra["paramwise_cfg"] = self._paramwise(cfg)
            return component_schema(entry, self._signature(entry), extra)
        key = (entry.kind, entry.qualified)
        if extra or entry.obj is not None:
            derived = component_schema(entry, self._signature(entry), extra)
            return {**derived, "required": [*derived["required"], *schema.get("x-required", ())]}
        if key not in self._schemas:
            self._schemas[key] = component_schema(entry, self._signature(entry))
        return self._schemas[key]

    def _paramwise(self, cfg: Mapping[str, Any]) -> Schema:
        """`paramwise_cfg` is an argument of the constructor that the wrapper names."""
        name = cfg.get("constructor") or KINDS["optim_wrapper"].engine_keys["constructor"]["default"]
        try:
            entry = self.catalog.resolve("optim_wrapper_constructor", str(name), self.scope)
        except RegistryError:
            return {}  # the slot `constructor` says so
        parameter = self._signature(entry).parameter("paramwise_cfg")
        return {**parameter.schema, "description": parameter.doc, "default": None} if parameter else {}

    def _signature(self, entry: Entry) -> Signature:
        target = entry.obj if entry.obj is not None else entry.target
        return describe(target, catalog=self.catalog, paths=self._folders)


def _unreadable(entry: Entry, error: SignatureError, path: Sequence[str]) -> Mistake:
    whose = f"{entry.distribution}: " if entry.distribution else ""
    return Mistake(f"{whose}'{entry.name}' can't be read: {error}", code="component-unreadable", path=path)


def _default_type(kind: Kind, cfg: Mapping[str, Any], schema: Schema) -> str | None:
    if misspelt_type(cfg) is not None:
        return None
    default = schema.get("x-default-type", kind.default_type)
    if not isinstance(default, Mapping):
        return default
    for key, types in default.items():
        chosen: str | None = types.get(str(cfg.get(key)).lower())
        if key in cfg:
            # A value of another type is the key's own problem; the first loop stands in for it meanwhile.
            return chosen or next(iter(types.values()))
    return None


def _choosing_keys(schema: Schema) -> list[str]:
    default = schema.get("x-default-type")
    return list(default) if isinstance(default, Mapping) else []


def _strays(cfg: Mapping[str, Any], schema: Schema) -> Iterator[Mistake]:
    """Mappings that look like components and stand where none is built."""
    for key, value in cfg.items():
        if key == "type" or key in schema["x-injected"]:
            continue
        others = schema["additionalProperties"]
        fragment = schema["properties"].get(key, others if isinstance(others, Mapping) else None)
        if fragment is None and others is False:
            continue
        for path in _typed(value, fragment or {}):
            yield Mistake(
                "this mapping has a type, and nothing is built here: it is passed on as it is; "
                f"'{schema['title']}' takes no component in '{key}'",
                code="typed-mapping-in-no-slot",
                path=(key, *path),
                at="key",
                severity="warning",
            )


def _typed(value: Any, fragment: Schema) -> Iterator[tuple[int, ...]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str) and _free(fragment):
            yield ()
    elif isinstance(value, list | tuple) and _free(fragment):
        for index, item in enumerate(value):
            for path in _typed(item, {}):
                yield (index, *path)


def _free(fragment: Any) -> bool:
    """Whether a schema says nothing of a `type` that a mapping under it may have."""
    if not isinstance(fragment, Mapping):
        return True
    if "x-slot" in fragment or "properties" in fragment:
        return False
    inner: Iterable[Any] = [*fragment.get("anyOf", ()), *fragment.get("prefixItems", ())]
    inner = [*inner, *(fragment[key] for key in ("items", "additionalProperties") if key in fragment)]
    return all(_free(item) for item in inner)
