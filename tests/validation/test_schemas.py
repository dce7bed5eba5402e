"""The schema files: strict, described, and with the defaults that the code has."""

from __future__ import annotations

import inspect
import json

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from runner.kinds import KINDS
from runner.validation import fields

FIELDS = [
    "model",
    "work_dir",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "train_cfg",
    "val_cfg",
    "test_cfg",
    "auto_scale_lr",
    "optim_wrapper",
    "param_scheduler",
    "val_evaluator",
    "test_evaluator",
    "default_hooks",
    "custom_hooks",
    "data_preprocessor",
    "load_from",
    "resume",
    "launcher",
    "env_cfg",
    "log_processor",
    "log_level",
    "visualizer",
    "default_scope",
    "randomness",
    "experiment_name",
    "runner_type",
    "strategy",
    "model_wrapper_cfg",
    "find_unused_parameters",
    "sync_bn",
    "compile",
    "activation_checkpointing",
    "efficient_conv_bn_eval",
    "channels_last",
    "init_weights_for_test_or_val",
    "custom_imports",
    "tta_model",
    "tta_pipeline",
    "inferencer",
    "vars",
]

OPEN = {
    ("vars",),
    ("compile", "options"),
    ("default_hooks",),
    ("param_scheduler",),
    *(("custom_imports", "components", name) for name, kind in KINDS.items() if kind.is_torchs),
}
"""Mappings whose keys are the user's own; all but `vars` say what the values have to be."""


def walk(schema, path):
    """Every schema below a field, with the keys that lead to it."""
    yield path, schema
    for key, child in schema.get("properties", {}).items():
        yield from walk(child, (*path, key))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], path)
    for branch in schema.get("anyOf", ()):
        yield from walk(branch, path)


def properties():
    for name in fields.names():
        yield (name,), fields.load(name)
        for path, schema in walk(fields.load(name), (name,)):
            for key, child in schema.get("properties", {}).items():
                yield (*path, key), child


PROPERTIES = list(properties())


def test_the_fields_are_those_of_the_format():
    assert list(fields.names()) == FIELDS
    assert {file.stem for file in fields.folder().glob("*.json")} == {*FIELDS, "root"}
    assert fields.root()["additionalProperties"] is False


@pytest.mark.parametrize("name", [*FIELDS, "root"])
def test_each_file_is_a_valid_schema(name):
    schema = json.loads((fields.folder() / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", FIELDS)
def test_each_object_level_is_closed(name):
    for path, schema in walk(fields.load(name), (name,)):
        takes_keys = "object" in (schema.get("type") or ()) or "properties" in schema
        if not takes_keys or "x-slot" in schema:
            continue  # a component's mapping is closed by its signature
        if path in OPEN:
            assert path == ("vars",) or isinstance(schema["additionalProperties"], dict)
        else:
            assert schema["additionalProperties"] is False, path


@pytest.mark.parametrize(("path", "schema"), PROPERTIES, ids=[".".join(path) for path, _ in PROPERTIES])
def test_each_property_has_a_type_and_a_description(path, schema):
    assert {"type", "x-slot", "anyOf", "enum"} & set(schema)
    assert len(schema["description"]) > 15
    assert schema["description"].strip().endswith((".", "`."))


@pytest.mark.parametrize(("path", "schema"), PROPERTIES, ids=[".".join(path) for path, _ in PROPERTIES])
def test_each_property_has_a_default_that_fits_or_is_required(path, schema):
    required = {
        ("model",),
        ("train_cfg", "by_epoch"),
        *((f"{split}_dataloader", key) for split in ("train", "val", "test") for key in ("dataset", "sampler")),
    }
    if path in required:
        assert "default" not in schema
        return
    plain = Draft202012Validator({key: value for key, value in schema.items() if key != "x-slot"})
    assert plain.is_valid(schema["default"]), schema["default"]


def test_every_reference_leads_to_a_file():
    resources = [
        (file.name, Resource(contents=json.loads(file.read_text()), specification=DRAFT202012))
        for file in fields.folder().glob("*.json")
    ]
    validator = Draft202012Validator(fields.root(), registry=Registry().with_resources(resources))
    loader = {"dataset": {"type": "A"}, "sampler": {"type": "B"}, "batch_size": 0}
    errors = list(validator.iter_errors({"model": {"type": "M"}, "test_dataloader": loader, "log_lvl": 1}))
    assert len(errors) == 2


def test_fields_have_the_runners_defaults():
    from runner.runner import Runner

    compared = set()
    for name, parameter in inspect.signature(Runner.__init__).parameters.items():
        if name in FIELDS and parameter.default is not inspect.Parameter.empty:
            assert fields.load(name)["default"] == parameter.default, name
            compared.add(name)
    assert len(compared) > 20


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_loaders_have_torchs_defaults(split):
    from torch.utils.data import DataLoader

    loader = fields.load(f"{split}_dataloader")["anyOf"][0]["properties"]
    signature = inspect.signature(DataLoader.__init__).parameters
    own = {"dataset", "sampler", "disable_subprocess_warning", "num_batch_per_epoch"}
    for name in set(loader) - own - {"collate_fn"}:
        assert loader[name]["default"] == signature[name].default, name
    # The sampler shuffles, and a generator is no data.
    assert set(signature) - set(loader) == {"self", "shuffle", "generator"}
