"""What plugins have to do with a config's problems: their faults are named, and they may add problems of their own."""

from __future__ import annotations

import pytest

from runner.config import Config, compose
from runner.errors import ConfigError, Problem
from runner.plugin import Catalog, Entry
from runner.validation import check, require_valid

CONFIG = compose("cfg.yaml", text="model: {type: Net}\nlog_level: INFO\n")


def offering(*entries, problems=()):
    return Catalog(entries, problems=problems)


def entry(name, target, plugin="one", **more):
    return Entry(kind="model", name=name, plugin=plugin, target=target, distribution=f"runner-{plugin}", **more)


def test_a_target_that_is_not_there_names_the_distribution():
    (problem,) = check(CONFIG, offering(entry("Net", "no_such_module:Net")))
    assert (problem.code, problem.path) == ("component-unreadable", "model.type")
    assert problem.message.startswith("runner-one: ")


def test_two_plugins_with_one_name():
    both = [entry("Net", "torch.nn:Identity"), entry("Net", "torch.nn:Flatten", "two")]
    (problem,) = check(CONFIG, offering(*both))
    assert problem.code == "ambiguous-type"
    assert "'one.Net', 'two.Net'" in problem.message
    scoped = compose("cfg.yaml", text="model: {type: Net}\ndefault_scope: two\n")
    assert check(scoped, offering(*both)) == []


def test_a_plugin_that_fails_is_reported_without_a_place():
    broken = Problem(code="plugin-error", path="two", severity="warning", message="runner-two: can't be imported")
    found = check(CONFIG, offering(entry("Net", "torch.nn:Flatten"), problems=[broken]))
    assert found == [broken]


def test_a_schema_of_the_plugins_own_overrides_the_signature():
    schema = {"properties": {"dims": {"enum": [1, 2]}}, "required": ["dims"]}
    catalog = offering(entry("Net", "torch.nn:Flatten", schema=schema))
    assert [problem.code for problem in check(CONFIG, catalog)] == ["missing-key"]
    config = compose("cfg.yaml", text="model: {type: Net, dims: 3, start_dim: 1}")
    assert [problem.code for problem in check(config, catalog)] == ["not-allowed"]


def test_a_plugins_own_check_is_asked_of_a_config_that_is_in_order():
    asked = []

    def plugin_check(config):
        asked.append(config)
        yield Problem(code="too-chatty", path="log_level", message="say less")

    catalog = offering(entry("Net", "torch.nn:Flatten"))
    (problem,) = check(CONFIG, catalog, plugin_check=plugin_check)
    assert isinstance(asked[0], Config)
    assert (problem.code, problem.origin.line, problem.origin.column) == ("too-chatty", 2, 12)
    check(compose("cfg.yaml", text="modell: {type: Net}"), catalog, plugin_check=plugin_check)
    assert len(asked) == 1


def test_mappings_with_a_type_where_nothing_is_built_are_warned_of(tmp_path, catalog):
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom runner.registry import MODELS\n\n\n"
        "@MODELS.register_module()\nclass Net(nn.Module):\n"
        "    def __init__(self, extras: dict, many: list, head: nn.Module, free=None):\n        pass\n"
    )
    file = tmp_path / "cfg.yaml"
    file.write_text(
        "custom_imports: {imports: [net.py]}\nmodel:\n  type: Net\n  extras: {type: A}\n  many: [1, {type: B}]\n"
        "  head: {type: SmallConvNet}\n  free: {type: C}\n"
    )
    found = check(compose(file), catalog)
    assert {problem.code for problem in found} == {"typed-mapping-in-no-slot"}
    assert {problem.severity for problem in found} == {"warning"}
    assert [problem.path for problem in found] == ["model.extras", "model.many.1", "model.free"]
    assert [problem.origin.line for problem in found] == [4, 5, 7]


def test_require_valid_raises_everything_at_once():
    catalog = offering(entry("Net", "torch.nn:Flatten"))
    assert require_valid(CONFIG, catalog) == []
    wrong = compose("cfg.yaml", text="model: {type: Net, dim: 3}\nlog_levl: 1\n")
    with pytest.raises(ConfigError) as caught:
        require_valid(wrong, catalog)
    assert [problem.path for problem in caught.value.problems] == ["model.dim", "log_levl"]
