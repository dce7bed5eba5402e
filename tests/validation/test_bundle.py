"""The joined schema: standard, self-contained, and of one mind with `check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from runner.plugin import Catalog, Entry
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
    assert len(references) > 100
    for reference in references:
        target = joined
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


@pytest.mark.parametrize("case", sorted((CASES / "valid").glob("*.yaml")), ids=lambda case: case.stem)
def test_what_check_accepts_it_accepts(validator, case):
    data = YAML(typ="safe", pure=True).load(case.read_text())
    assert [error.message for error in validator.iter_errors(data)] == []


SAYABLE = {
    "bad-interpolation",
    "missing-base-batch-size",
    "missing-key",
    "not-allowed",
    "not-built-together",
    "out-of-range",
    "scheduler-without-optimizer",
    "type-and-by-epoch",
    "unknown-key",
    "unknown-type",
    "wrong-type",
}
"""The problems that a schema can say; the others need the text, the composed config, or arithmetic."""


def sayable(case):
    """Whether a case has a mistake that stands in the file as it is written."""
    problems = json.loads(case.with_suffix(".json").read_text())["problems"]
    return any(each["code"] in SAYABLE and "(it came from" not in each["message"] for each in problems)


INVALID = sorted((CASES / "invalid").glob("*.yaml"))


@pytest.mark.parametrize("case", [case for case in INVALID if sayable(case)], ids=lambda case: case.stem)
def test_what_check_refuses_it_refuses(validator, case):
    data = YAML(typ="safe", pure=True).load(case.read_text())
    assert not validator.is_valid(data)


def test_most_cases_are_held_against_it():
    assert sum(map(sayable, INVALID)) >= 0.8 * len(INVALID)


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


def test_a_file_on_a_base_is_held_against_what_it_says_itself(validator):
    def accepted(**fields):
        return validator.is_valid({"_base_": "base.yaml", **fields})

    # What is missing may be in the base; what there is has to be right.
    assert accepted(train_dataloader={"dataset": {"split": "all"}}, train_cfg={"max_epochs": 2})
    assert accepted(optim_wrapper={"optimizer": {"lr": 1}}, val_evaluator={"topk": 3})
    assert accepted(train_cfg={"_delete_": True, "type": "KFoldTrainLoop", "num_folds": 3})
    assert not accepted(train_dataloader={"batchsize": 3})
    assert not accepted(train_dataloader={"dataset": {"type": "Digits", "splt": "all"}})
    assert not accepted(train_dataloader={"dataset": {"type": "Digit"}})
    assert not accepted(train_dataloader={"dataset": {"splt": "all"}})
    assert not accepted(optim_wrapper={"optimizer": {"type": "SGD", "nestrov": True}})
    assert not accepted(train_cfg={"by_epoch": True, "type": "EpochBasedTrainLoop"})
    # A list takes the place of the base's.
    assert accepted(custom_hooks=[{"type": "MisclassifiedHook"}])
    assert not accepted(custom_hooks=[{"num_images": 3}])


def test_only_what_has_a_base_deletes(validator):
    assert not validator.is_valid({"model": {"type": "SmallConvNet", "_delete_": True}})


def test_a_name_that_two_plugins_offer_may_be_either(catalog):
    both = catalog.copy()
    for plugin, name in (("one", "SGD"), ("two", "Adam")):
        both.add(Entry(kind="optimizer", name="Fast", plugin=plugin, target=f"torch.optim:{name}"))
    validator = Draft202012Validator(bundle(both))

    def accepted(**optimizer):
        return validator.is_valid({"_base_": "base.yaml", "optim_wrapper": {"optimizer": optimizer}})

    assert accepted(type="Fast", nesterov=True)
    assert accepted(type="Fast", amsgrad=True)
    assert accepted(type="one.Fast", nesterov=True)
    assert not accepted(type="two.Fast", nesterov=True)
    assert not accepted(type="Fast", neither=True)


def test_a_bare_name_is_one_that_needs_no_argument(catalog):
    more = catalog.copy()
    more.add(Entry(kind="transform", name="Needy", plugin="one", target="runner_vision.transforms.crop:RandomCrop"))
    validator = Draft202012Validator(bundle(more))

    def accepted(transform):
        dataset = {"type": "Digits", "transform": [transform]}
        return validator.is_valid({"_base_": "base.yaml", "train_dataloader": {"dataset": dataset}})

    assert accepted("ToTensor")
    assert accepted({"type": "Needy", "size": 8})
    assert not accepted("Needy")


def test_it_grows_with_what_is_installed(joined):
    bare = bundle(Catalog())
    Draft202012Validator.check_schema(bare)
    assert len(json.dumps(bare)) < len(json.dumps(joined)) / 3
