from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from runner.plugin import default_plugins
from runner.signature import describe

CATALOG = default_plugins().catalog
ENTRIES = [entry for entry in CATALOG if entry.plugin == "vision"]


def test_is_found_by_its_entry_point():
    (found,) = entry_points(group="runner", name="vision")
    assert found.value == "runner_vision.plugin"
    assert found.dist.name == "runner-vision"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("dataset", {"CIFAR10", "Digits", "ImageFolder"}),
        ("model", {"SmallConvNet"}),
        ("metric", {"Accuracy", "ConfusionMatrix"}),
        ("loop", {"KFoldTrainLoop"}),
        ("hook", {"MisclassifiedHook"}),
        ("transform", {"Compose", "Normalize", "RandomCrop", "RandomHorizontalFlip", "ToTensor"}),
    ],
)
def test_offers_every_kind(kind, names):
    assert names <= {entry.name for entry in ENTRIES if entry.kind == kind}
    assert not [problem for problem in CATALOG.problems if "vision" in str(problem)]


def test_offers_every_transform():
    transforms = importlib.import_module("runner_vision.transforms")
    classes = {name for name in transforms.__all__ if inspect.isclass(getattr(transforms, name))}
    assert {entry.name for entry in ENTRIES if entry.kind == "transform"} == classes - {"InterpolationMode"}


def test_importing_it_imports_nothing_heavy():
    heavy = "torch", "numpy", "sklearn", "PIL"
    script = f"import sys, runner_vision.plugin; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
class TestSignatures:
    def test_are_the_constructors(self, entry):
        module, _, name = entry.target.partition(":")
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        described = describe(entry.target, catalog=CATALOG)
        assert not described.open
        assert [parameter.name for parameter in described.parameters] == list(parameters)
        for parameter in described.parameters:
            default = parameters[parameter.name].default
            if default is not inspect.Parameter.empty:
                assert parameter.default == default

    def test_every_argument_is_checked_and_explained(self, entry):
        for parameter in describe(entry.target, catalog=CATALOG).parameters:
            if parameter.name not in {"runner", "dataloader"}:
                assert parameter.schema, parameter.name
            assert parameter.doc, parameter.name


def test_transforms_are_slots():
    for name in ("digits:Digits", "cifar10:CIFAR10", "folder:ImageFolder"):
        assert describe(f"runner_vision.datasets.{name}", catalog=CATALOG).parameter("transform").slot == "transform"


def test_the_readmes_code_runs(tmp_path, monkeypatch, write_python):
    readme = Path(__file__).parents[1] / "README.md"
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    write_python(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, str(readme), "exec"), names)
    assert names["train_dataset"][0][0].shape == (3, 32, 32)
