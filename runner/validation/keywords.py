"""JSON Schema's keywords in our words: each problem where it stands, with its code and what is allowed.

`x-slot`, the keyword for components, is in `components`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from jsonschema import validators
from jsonschema.exceptions import ValidationError

from runner.validation.branches import choose, flat, is_type, types_of
from runner.validation.fields import Schema
from runner.validation.mistake import Mistake, did_you_mean, json_type, listed, shown, unknown_key
from runner.validation.suggest import nearest

__all__ = ["Keyword", "Slots", "make_validator", "wrong_type"]

Keyword: TypeAlias = Callable[[Any, Any, Any, Schema], Iterable[ValidationError]]
"""What jsonschema calls for a keyword: validator, keyword's value, instance, schema."""

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class Slots(Protocol):
    """What the keywords ask of whoever knows the components."""

    def slot(self, validator: Any, kind: str, instance: Any, schema: Schema) -> Iterable[ValidationError]:
        """The keyword `x-slot`."""

    def named(self, kind: str, instance: Any) -> Iterable[ValidationError]:
        """The keyword `x-type-name`."""

    def plays(self, kind: str, name: str) -> bool:
        """Whether a component of that name is on offer for a kind."""

    def seen(self, instance: Mapping[str, Any], schema: Schema) -> None:
        """Told of each mapping and the closed schema that it is held against."""


def make_validator(slots: Slots) -> Any:
    """A validator class of draft 2020-12 that speaks our words."""

    def closed(validator: Any, value: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        if isinstance(instance, Mapping):
            slots.seen(instance, schema)
            yield from _additional(validator, value, instance, schema)

    def any_of(validator: Any, branches: Sequence[Schema], instance: Any, _schema: Schema) -> Iterator[ValidationError]:
        return _any_of(validator, branches, instance, choose(branches, instance, slots.plays))

    return validators.extend(  # type: ignore[no-untyped-call]  # the stubs leave it bare
        validators.Draft202012Validator,
        {
            "type": _type,
            "enum": _enum,
            "const": lambda validator, value, instance, schema: _enum(validator, [value], instance, schema),
            "anyOf": any_of,
            "oneOf": any_of,
            "required": _required,
            "additionalProperties": closed,
            "properties": _properties,
            "x-slot": slots.slot,
            "x-type-name": lambda _validator, kind, instance, _schema: slots.named(kind, instance),
            **{keyword: _bound(*row) for keyword, row in _BOUNDS.items()},
            **{keyword: _length(*row) for keyword, row in _LENGTHS.items()},
        },
    )


def _type(_validator: Any, allowed: Any, instance: Any, schema: Schema) -> Iterator[Mistake]:
    names = [allowed] if isinstance(allowed, str) else list(allowed)
    if not is_type(instance, names):
        yield wrong_type(instance, names, [schema])
    elif isinstance(instance, float) and not math.isfinite(instance) and not _allows_infinity(instance, schema):
        yield Mistake(f"expected a finite number, found {shown(instance)}", code="out-of-range")


def wrong_type(instance: Any, names: Sequence[str], branches: Iterable[Schema] = ()) -> Mistake:
    """A value of another type than the ones that are allowed.

    Args:
        instance: The value.
        names: The JSON types that are allowed.
        branches: The schemas that allow them, where they may say more; `x-remedy` is what to do about another type.
    """
    branches = tuple(branches)
    *most, last = [_WORDS.get(name, name) for name in dict.fromkeys(names)]
    words = f"{', '.join(most)} or {last}" if most else last
    slot = isinstance(instance, str) and instance.isidentifier() and any("x-slot" in branch for branch in branches)
    told = next((f"; {branch['x-remedy']}" for branch in branches if "x-remedy" in branch), None)
    remedy = told or (f"; write {{type: {instance}}}" if slot else _remedy(instance, names))
    return Mistake(f"expected {words}, found {shown(instance)}{remedy}", code="wrong-type")


_MEANT = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What was a boolean in YAML 1.1."""

_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
"""A number, also with Python's underscores, which YAML 1.2 does not have."""


def _remedy(instance: Any, names: Sequence[str]) -> str:
    if isinstance(instance, str) and {"number", "integer", "boolean"} & set(names):
        return _scalar_remedy(instance, names)
    if isinstance(instance, float) and "integer" in names and instance.is_integer():
        return f"; write {int(instance)}"
    if "array" in names and instance is not None:
        return "; put it into a list"
    if names == ["string"] and json_type(instance) in {"integer", "number", "boolean"}:
        return "; put it in quotes"
    return ""


def _scalar_remedy(text: str, names: Sequence[str]) -> str:
    """What to write for a text that stands where a number or a truth value is needed."""
    word = text.lower()
    meant = ""
    if "boolean" in names:
        meant = _MEANT.get(word, word if word in {"true", "false"} else "")
    if not meant and {"number", "integer"} & set(names) and re.fullmatch(_NUMBER, text):
        meant = text.replace("_", "")
    if meant == text:
        return "; remove the quotes"
    return f"; write {meant}" if meant else ""


def _allows_infinity(instance: float, schema: Schema) -> bool:
    """A bound or a default that is infinite itself says that infinity is meant; nothing says so of NaN."""
    if math.isnan(instance):
        return False
    default = schema.get("default")
    infinite = [schema.get("maximum"), schema.get("minimum"), default if isinstance(default, float) else None]
    return instance in infinite


def _enum(_validator: Any, allowed: Sequence[Any], instance: Any, _schema: Schema) -> Iterator[Mistake]:
    if json_type(instance) is None or any(_equal(instance, value) for value in allowed):
        return
    texts = [value for value in allowed if isinstance(value, str)]
    suggestion = nearest(instance, texts) if isinstance(instance, str) else None
    what = listed([instance]) if json_type(instance) not in {"object", "array"} else shown(instance)
    message = f"{what} is not allowed{did_you_mean(suggestion) or '; allowed are ' + listed(allowed)}"
    yield Mistake(message, code="not-allowed", suggestion=suggestion)


def _equal(one: Any, other: Any) -> bool:
    # Python's True is 1, YAML's is not.
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (lambda value, bound: value >= bound, "at least"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "above"),
    "maximum": (lambda value, bound: value <= bound, "at most"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "below"),
    "multipleOf": (lambda value, bound: math.isclose(value % bound, 0), "a multiple of"),
}

_LENGTHS: dict[str, tuple[str, Callable[[int, int], bool], str]] = {
    "minItems": ("array", lambda size, bound: size >= bound, "at least {} items"),
    "maxItems": ("array", lambda size, bound: size <= bound, "at most {} items"),
    "minLength": ("string", lambda size, bound: size >= bound, "at least {} characters"),
    "maxLength": ("string", lambda size, bound: size <= bound, "at most {} characters"),
    "minProperties": ("object", lambda size, bound: size >= bound, "at least {} keys"),
    "maxProperties": ("object", lambda size, bound: size <= bound, "at most {} keys"),
}


def _bound(fits: Callable[[float, float], bool], words: str) -> Keyword:
    def check(_validator: Any, bound: float, instance: Any, schema: Schema) -> Iterator[Mistake]:
        number = json_type(instance) in {"integer", "number"} and math.isfinite(instance)
        # A number of the wrong type has its problem already.
        if number and is_type(instance, types_of(schema)) and not fits(instance, bound):
            yield Mistake(f"expected {words} {bound}, found {shown(instance)}", code="out-of-range")

    return check


def _length(name: str, fits: Callable[[int, int], bool], words: str) -> Keyword:
    def check(_validator: Any, bound: int, instance: Any, _schema: Schema) -> Iterator[Mistake]:
        if json_type(instance) == name and not fits(len(instance), bound):
            text = words.format(bound) if bound != 1 else words.format("one").removesuffix("s")
            yield Mistake(f"expected {text}, found {len(instance)}", code="out-of-range")

    return check


def _required(_validator: Any, required: Sequence[str], instance: Any, schema: Schema) -> Iterator[Mistake]:
    # Beside x-slot, it only tells the slot from others.
    if not isinstance(instance, Mapping) or "x-slot" in schema:
        return
    properties = schema.get("properties", {})
    for name in required:
        if name in instance:
            continue
        # A required key that is misspelt is one mistake: the unknown key says it, and suggests this one.
        strangers = [key for key in instance if key not in properties]
        if any(unknown_key(key, schema, instance).suggestion == name for key in strangers):
            continue
        owner = schema.get("title")
        message = f"{owner} needs it" if owner else "it is required"
        yield Mistake(f"missing; {message}", code="missing-key", path=(name,), at="key")


def _additional(validator: Any, value: Any, instance: Mapping[str, Any], schema: Schema) -> Iterator[ValidationError]:
    properties = schema.get("properties", {})
    injected = schema.get("x-injected", ())
    for key, item in instance.items():
        if key in properties:
            continue
        if key in injected:
            yield Mistake(
                "the engine passes this argument itself; remove it", code="injected-argument", path=(key,), at="key"
            )
        elif value is False or (schema.get("x-near-keys-are-typos") and nearest(key, properties, cutoff=0.7)):
            yield from _misspelt(validator, unknown_key(key, schema, instance), item, instance, properties)
        elif isinstance(value, Mapping):
            yield from validator.descend(item, value, path=key)


def _misspelt(
    validator: Any, mistake: Mistake, item: Any, instance: Mapping[str, Any], properties: Mapping[str, Schema]
) -> Iterator[ValidationError]:
    """The unknown key, and what else is wrong below it if it is what the suggestion says."""
    yield mistake
    meant = mistake.suggestion
    if meant is None or meant in instance or nearest(str(mistake.path[0]), [meant], cutoff=0.8) is None:
        return
    for error in validator.descend(item, properties[meant], path=mistake.path[0]):
        # What is missing may be missing because a base was meant to bring it in under the right key.
        if isinstance(error, Mistake) and error.code not in {"missing-key", "wrong-type"}:
            yield error


def _properties(validator: Any, properties: Mapping[str, Any], instance: Any, schema: Schema) -> Iterator[Any]:
    # Beside x-slot, properties are keys that the engine reads itself: x-slot takes them in.
    if not isinstance(instance, Mapping) or "x-slot" in schema:
        return
    for key, subschema in properties.items():
        if key in instance:
            yield from validator.descend(instance[key], subschema, path=key)


def _any_of(
    validator: Any, branches: Sequence[Schema], instance: Any, fitting: Sequence[Schema]
) -> Iterator[ValidationError]:
    if not fitting:
        names = [name for branch in flat(branches) for name in types_of(branch)]
        yield wrong_type(instance, names, flat(branches))
        return
    attempts = []
    for branch in fitting:
        errors = list(validator.descend(instance, branch))
        if not any(getattr(error, "severity", "error") == "error" for error in errors):
            yield from errors
            return
        attempts.append(errors)
    if all("enum" in branch or "const" in branch for branch in fitting):
        merged = [value for branch in fitting for value in branch.get("enum", [branch.get("const")])]
        yield from _enum(validator, merged, instance, {})
        return
    yield from min(attempts, key=_weight)


def _weight(errors: Sequence[ValidationError]) -> tuple[int, int]:
    """Fewer problems are nearer to what was meant, and deeper ones nearer than shallow ones."""
    return (len(errors), -max(len(error.path) for error in errors))
