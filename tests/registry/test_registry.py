from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from runner import BuildError, RegistryError
from runner.build import Builder
from runner.plugin import PROCESS_ENTRIES
from runner.registry import (
    DATASETS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    RUNNERS,
    DefaultScope,
    Registry,
    build_from_cfg,
    build_model_from_cfg,
    count_registered_modules,
    init_default_scope,
    scope,
    traverse_registry_tree,
)


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    """What a test registers is forgotten."""
    before = list(PROCESS_ENTRIES)
    monkeypatch.setattr(scope, "_made", {})
    monkeypatch.setattr(MODELS, "children", {})
    yield
    PROCESS_ENTRIES[:] = before


class Layer(nn.Module):
    def __init__(self, width=1, depth=1):
        super().__init__()
        self.width, self.depth = width, depth


class Other(Layer):
    pass


def test_a_child_shares_its_parents_drawer():
    ours = Registry("model", parent=MODELS, scope="zoo")
    ours.register_module(module=Layer)
    assert MODELS.get("Layer") is ours.get("Layer") is MODELS.get("zoo.Layer") is Layer
    assert ours.get("BaseDataPreprocessor") is MODELS.get("BaseDataPreprocessor")
    assert (ours.root, MODELS.children) == (MODELS, {"zoo": ours})
    assert ours.build({"type": "Layer", "width": 3}).width == 3
    assert ours.get("zoo.Layer.none") is None
    with pytest.raises(RegistryError, match="child of the scope 'zoo' already"):
        Registry("model", parent=MODELS, scope="zoo")


def test_a_name_that_two_scopes_offer():
    zoo, farm = Registry("model", parent=MODELS, scope="zoo"), Registry("model", parent=MODELS, scope="farm")
    zoo.register_module(name="Layer", module=Layer)
    farm.register_module(name="Layer", module=Other)
    with pytest.raises(RegistryError, match=r"'farm.Layer', 'zoo.Layer', or set default_scope"):
        MODELS.build({"type": "Layer"})
    assert type(zoo.build({"type": "Layer"})) is Layer
    assert type(farm.build({"type": "Layer"})) is Other
    assert type(zoo.build({"type": "farm.Layer"})) is Other
    assert type(MODELS.build({"type": "Layer", "_scope_": "farm"})) is Other
    with DefaultScope.overwrite_default_scope("farm"):
        assert type(zoo.build({"type": "Layer"})) is Other
    with MODELS.switch_scope_and_registry("zoo") as found:
        assert found is zoo
        assert MODELS.get("Layer") is Layer
    init_default_scope("farm")
    assert MODELS.get("Layer") is Other
    init_default_scope("zoo")
    assert MODELS.get("Layer") is Layer


class Holder(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = MODELS.build(inner)


def test_what_is_built_inside_goes_by_the_same_scope():
    for name, layer in (("zoo", Layer), ("farm", Other)):
        Registry("model", parent=MODELS, scope=name).register_module(name="Layer", module=layer)
    MODELS.register_module(module=Holder)
    cfg = {"type": "Holder", "inner": {"type": "Layer"}}
    for name, layer in (("zoo", Layer), ("farm", Other)):
        assert type(Builder(scope=name).build("model", cfg).inner) is layer
    with pytest.raises(BuildError, match="set default_scope"):
        Builder(scope="runner").build("model", cfg)
    cfg["inner"]["_scope_"] = "zoo"
    assert type(Builder(scope="runner").build("model", cfg).inner) is Layer


def test_the_scope_is_the_package_that_makes_the_registry():
    assert Registry("model", parent=MODELS).scope == __name__.partition(".")[0]
    assert MODELS.scope == "runner"
    assert Registry.split_scope_key("zoo.a.Layer") == ("zoo", "a.Layer")
    assert Registry.split_scope_key("Layer") == (None, "Layer")


def test_a_table_of_ones_own():
    tools = Registry("tool")
    assert tools.build("as it is") == "as it is"

    @tools.register_module(name=["make", "do"])
    def make(a, b=2):
        return a, b

    child = Registry("tool", parent=tools, scope="more")
    child.register_module(module=Layer)
    assert (len(tools), sorted(tools.module_dict)) == (3, ["Layer", "do", "make"])
    assert tools.build({"type": "do", "a": 1}) == (1, 2)
    assert tools.build({"type": "make"}, default_args={"a": 5, "b": 6}) == (5, 6)
    assert child.build({"type": Layer}).width == 1
    assert "make" in tools
    assert "make" not in MODELS
    with pytest.raises(RegistryError, match="'none' is not in tool, which has Layer, do, make"):
        tools.build({"type": "none"})
    with pytest.raises(RegistryError, match="'make' is already registered in tool"):
        tools.register_module(name="make", module=Layer)
    del tools.module_dict["make"]
    assert tools.get("make") is None


def test_arguments_of_default():
    MODELS.register_module(module=Layer)
    built = MODELS.build({"type": "Layer", "width": 2}, default_args={"width": 3, "depth": 4})
    assert (built.width, built.depth) == (2, 4)
    assert build_from_cfg({"width": 5}, MODELS, {"type": "Layer"}).width == 5
    assert MODELS.build({"type": "Layer"}, depth=7).depth == 7


def test_a_list_of_modules():
    MODELS.register_module(module=Layer)
    built = MODELS.build([{"type": "Layer", "width": 2}, {"type": "Layer"}])
    assert [each.width for each in built] == [2, 1]
    assert isinstance(build_model_from_cfg([], MODELS), nn.Sequential)


def test_a_registrys_own_way_to_build():
    def build(cfg, default_args=None, registry=None):
        return registry.name, cfg, default_args

    tools = Registry("tool", build_func=build)
    assert tools.build({"a": 1}, {"b": 2}) == ("tool", {"a": 1}, {"b": 2})
    assert Registry("tool", parent=tools, scope="more").build({}) == ("tool", {}, None)


def test_what_a_registry_has():
    METRICS.register_module(name="Mine", module=Layer)
    modules = METRICS.module_dict
    assert {"DumpResults", "Mine"} <= set(modules)
    assert (modules["Mine"], len(modules)) == (Layer, len(METRICS))
    assert modules.pop("Mine") is Layer
    assert modules.pop("Mine", None) is None
    modules["Mine"] = Other
    assert METRICS.get("Mine") is Other
    with pytest.raises(KeyError):
        del modules["DumpResults"]  # a package's


def test_a_scheduler_in_epochs():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    cfg = {"type": "StepLR", "step_size": 2, "convert_to_iter_based": True}
    built = PARAM_SCHEDULERS.build(cfg, default_args={"optimizer": optimizer, "epoch_length": 10})
    assert (built.step_size, built.by_epoch) == (20, False)
    cfg = {"type": "StepLR", "step_size": 2}
    assert PARAM_SCHEDULERS.build(cfg, default_args={"optimizer": optimizer, "epoch_length": 10}).step_size == 2
    assert PARAM_SCHEDULERS.build(built) is built


def test_a_runner_of_ones_own(tmp_path):
    @RUNNERS.register_module()
    class Quiet:
        @classmethod
        def from_cfg(cls, cfg):
            return cls.__name__, cfg["work_dir"]

    assert RUNNERS.build({"runner_type": "Quiet", "work_dir": "w"}) == ("Quiet", "w")
    with pytest.raises(RegistryError, match="no Runner is called 'None such'"):
        RUNNERS.build({"runner_type": "None such"})


def test_scopes():
    assert DefaultScope.get_current_instance() is None
    first = DefaultScope.get_instance("run 1", scope_name="zoo")
    assert DefaultScope.get_instance("run 1") is first
    assert (first.scope_name, first.instance_name) == ("zoo", "run 1")
    assert DefaultScope.check_instance_created("run 1")
    with DefaultScope.overwrite_default_scope("farm"):
        assert DefaultScope.get_current_instance().scope_name == "farm"
        with DefaultScope.overwrite_default_scope(None):
            assert DefaultScope.get_current_instance().scope_name == "farm"
    assert DefaultScope.get_current_instance() is first
    with pytest.raises(RegistryError, match="give scope_name"):
        DefaultScope.get_instance("run 2")


LOCATIONS = """
import sys
from runner.registry import MODELS, Registry
ours = Registry("model", parent=MODELS, locations=["zoo_layers"])
assert "zoo_layers" not in sys.modules
print(ours.get("Deep").__module__, "zoo_layers" in sys.modules)
"""


def test_modules_that_register_are_imported_when_something_is_looked_up(tmp_path):
    (tmp_path / "zoo_layers.py").write_text(
        "from runner.registry import MODELS\n\n@MODELS.register_module()\nclass Deep: ...\n"
    )
    (tmp_path / "zoo.py").write_text(LOCATIONS)
    done = subprocess.run([sys.executable, tmp_path / "zoo.py"], capture_output=True, text=True, check=True)
    assert done.stdout == "zoo_layers True\n"


def test_what_is_offered_is_counted(tmp_path, capsys):
    DATASETS.register_module(name="Mine", module=Layer)
    (runners,) = [each for each in traverse_registry_tree(DATASETS, verbose=False) if each["scope"] == "runner"]
    assert "ConcatDataset" in runners["runner/dataset"]
    counted = count_registered_modules(tmp_path)
    assert json.loads((tmp_path / "modules_statistic_results.json").read_text()) == counted
    assert sum(each["num_modules"] for each in counted["registries"]["DATASETS"]) == len(DATASETS)
    assert "modules in runner's 'DATASETS' registry" in capsys.readouterr().out
