"""The joined schema: standard, self-contained, and of one mind with `check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from runner.plugin import Catalog
from runner.validation import bundle

CASES = Path(__file__).parent.parent / "cases"


@pytest.fixture(scope="module")
def joined(catalog):
    return bundle(catalog)


@pytest.fixture(scope="module")
def validator(joined):
    return Draft202012Validator(joined)


def test_it_is_a_valid_schema(joined):
    Draft202012Validator.check_schema(joined)
    assert json.loads(json.dumps(joined, allow_nan=False)) == joined


def keys(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from keys(value)
    elif isinstance(node, list):
        for item in node:
            yield from keys(item)


def test_it_holds_standard_keywords_and_leads_nowhere_else(joined):
    assert not [key for key in keys(joined) if key.startswith("x-")]
    text = json.dumps(joined)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references <= {f"#/$defs/{name}" for name in joined["$defs"]}


@pytest.mark.parametrize("case", sorted((CASES / "valid").glob("*.yaml")), ids=lambda case: case.stem)
def test_what_check_accepts_it_accepts(validator, case):
    data = YAML(typ="safe", pure=True).load(case.read_text())
    assert [error.message for error in validator.iter_errors(data)] == []


BEYOND = {
    "from-another-place",  # wrong only once it is composed
    "incomplete-triples",
    "not-supported-yet",
    "scaling-without-a-base",
    "schedule-without-optimizer",
    "text",  # refused before a schema sees it
}
"""What no schema can say, or does not."""

REFUSED = [case for case in sorted((CASES / "invalid").glob("*.yaml")) if case.stem not in BEYOND]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.stem)
def test_what_check_refuses_it_refuses(validator, case):
    data = YAML(typ="safe", pure=True).load(case.read_text())
    assert not validator.is_valid(data)


@pytest.mark.parametrize(
    "kind", ["model", "dataset", "hook", "metric", "loop", "optimizer", "param_scheduler", "transform", "sampler"]
)
def test_every_installed_component_is_in_it(joined, catalog, kind):
    names = {f"{entry.kind}.{entry.qualified}" for entry in catalog.entries(kind)}
    assert len(names) > 1 or kind == "model"
    assert names <= set(joined["$defs"])


def test_hover_texts_and_defaults_come_along(joined):
    crop = joined["$defs"]["transform.vision.RandomCrop"]
    assert crop["additionalProperties"] is False
    assert all(schema["description"] for schema in crop["properties"].values())
    assert joined["$defs"]["optimizer.runner.SGD"]["properties"]["lr"]["default"] == 1e-3


def test_a_base_may_bring_the_model(validator):
    assert validator.is_valid({"_base_": "base.yaml", "log_level": "INFO"})
    assert not validator.is_valid({"log_level": "INFO"})


def test_it_grows_with_what_is_installed(joined):
    bare = bundle(Catalog())
    Draft202012Validator.check_schema(bare)
    assert len(json.dumps(bare)) < len(json.dumps(joined)) / 3
