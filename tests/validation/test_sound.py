"""What is looked at once says the same as jsonschema, which looks at everything."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from runner.errors import RunnerError
from runner.plugin import Entry
from runner.validation.bundle import bundle, require_schema
from runner.validation.sound import unsound

WRONG = {
    "a type": ({"type": "text"}, ("type",)),
    "types": ({"type": []}, ("type",)),
    "a bound": ({"minimum": "1"}, ("minimum",)),
    "an expression": ({"pattern": "("}, ("pattern",)),
    "an expression as a key": ({"patternProperties": {"(": {}}}, ("patternProperties",)),
    "keys": ({"required": "name"}, ("required",)),
    "a choice": ({"enum": "name"}, ("enum",)),
    "no branches": ({"anyOf": []}, ("anyOf",)),
    "branches": ({"oneOf": {}}, ("oneOf",)),
    "properties": ({"properties": []}, ("properties",)),
    "a number for a schema": ({"items": 3}, ("items",)),
    "a text for a schema": ("string", ()),
    "a description": ({"description": 3}, ("description",)),
    "a reference": ({"$ref": 3}, ("$ref",)),
}
WITHIN = [
    (lambda schema: schema, ""),
    (lambda schema: {"properties": {"a": {"description": "before", "type": "null"}, "b": schema}}, "properties b"),
    (lambda schema: {"anyOf": [{"type": "null"}, {"allOf": [schema]}]}, "anyOf 1 allOf 0"),
    (lambda schema: {"$defs": {"x": {"items": schema}}}, "$defs x items"),
    (lambda schema: {"if": {}, "then": {"additionalProperties": {"not": schema}}}, "then additionalProperties not"),
    (lambda schema: {"prefixItems": [{"patternProperties": {"^a": schema}}]}, "prefixItems 0 patternProperties ^a"),
]


@pytest.mark.parametrize(("within", "where"), WITHIN, ids=[where for _, where in WITHIN])
@pytest.mark.parametrize(("schema", "path"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found_wherever_it_stands(within, where, schema, path):
    whole = within(schema)
    with pytest.raises(SchemaError):
        Draft202012Validator.check_schema(whole)
    found = unsound(whole)
    assert found is not None
    assert " ".join(map(str, found[0])) == " ".join([*where.split(), *path])


@pytest.mark.parametrize(("within", "where"), WITHIN, ids=[where for _, where in WITHIN])
def test_what_is_right_is_not(within, where):
    schema = {
        "type": ["null", "string"],
        "enum": [1, {}],
        "const": {"type": 3},
        "default": {"items": 3},
        "required": [],
    }
    Draft202012Validator.check_schema(within(schema))
    assert unsound(within(schema)) is None


def test_the_joined_schema_says_whose_part_is_none(catalog):
    catalog = catalog.copy()
    entry = Entry(kind="metric", name="Odd", plugin="odd", target="runner.evaluator.dump:DumpResults")
    catalog.add(entry)
    require_schema(bundle(catalog))
    catalog.add(
        Entry(
            kind="metric",
            name="Worse",
            plugin="odd",
            target=entry.target,
            schema={"properties": {"prefix": {"type": 3}}},
        )
    )
    with pytest.raises(RunnerError, match=r"no JSON Schema at \$defs/metric\.odd\.Worse/properties/prefix"):
        require_schema(bundle(catalog))
