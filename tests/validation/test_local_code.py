"""Files under `custom_imports` are read, never run."""

from __future__ import annotations

import sys

import pytest

from runner.config import compose
from runner.kinds import KINDS
from runner.validation import check
from runner.validation.fields import load

MODEL = """\
import pathlib
from torch import nn
from runner.registry import MODELS
from layers import Wide

pathlib.Path(__file__).with_name("ran").touch()


@MODELS.register_module()
class Net(Wide):
    def __init__(self, depth: int, **kwargs):
        super().__init__(**kwargs)
"""

LAYERS = """\
from torch import nn


class Wide(nn.Module):
    def __init__(self, width: int = 3):
        super().__init__()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "layers.py").write_text(LAYERS)
    return tmp_path


@pytest.fixture
def problems_in(folder, catalog):
    def find(text):
        file = folder / "cfg.yaml"
        file.write_text(text)
        found = check(compose(file), catalog)
        assert not (folder / "ran").exists()
        assert not {"model", "layers"} & set(sys.modules)
        return found

    return find


IMPORTS = "custom_imports: {imports: [./model.py]}\n"


def test_its_components_are_on_offer(problems_in):
    assert problems_in(IMPORTS + "model: {type: Net, depth: 2, width: 4}") == []
    assert problems_in("custom_imports: {imports: model.py}\nmodel: {type: local.Net, depth: 2}") == []


@pytest.mark.parametrize(
    ("model", "code", "path", "suggestion"),
    [
        ("{type: Net, depht: 2}", "unknown-key", "model.depht", "depth"),
        ("{type: Net, depth: 2, widht: 3}", "unknown-key", "model.widht", "width"),
        ("{type: Net, depth: deep}", "wrong-type", "model.depth", None),
        ("{type: Nett, depth: 2}", "unknown-type", "model.type", "Net"),
        ("{type: Net}", "missing-key", "model.depth", None),
    ],
)
def test_its_signatures_are_checked(problems_in, model, code, path, suggestion):
    (problem,) = problems_in(IMPORTS + f"model: {model}")
    assert (problem.code, problem.path, problem.suggestion) == (code, path, suggestion)
    assert problem.origin.line == 2


@pytest.mark.parametrize(
    ("imports", "code"),
    [
        ("[./modell.py]", "import-not-found"),
        ("[../elsewhere.py]", "import-outside"),
        ("[/etc/hosts.py]", "import-outside"),
        ("[no_such_package_at_all]", "import-not-found"),
        ("['not a name']", "import-not-found"),
        ("[./broken.py]", "component-unreadable"),
    ],
)
def test_what_cannot_be_followed_is_a_problem(problems_in, folder, imports, code):
    (folder / "broken.py").write_text("def (:\n")
    (problem,) = problems_in(f"custom_imports: {{imports: {imports}}}\nmodel: {{type: SmallConvNet}}")
    assert (problem.code, problem.path, problem.severity) == (code, "custom_imports.imports.0", "error")
    assert (problem.origin.line, problem.origin.column) == (1, 28)


UNREGISTERED = {
    "a class that is not registered": ("model: {type: Wide}", "layers.py has a 'Wide' that it does not register; put @MODELS.register_module() above it"),
    "another role's": ("model: {type: Net, depth: 2}\ncustom_hooks: [{type: Wide}]", "put @HOOKS.register_module() above it"),
    "a registered one by its class's name": ("model: {type: Deep}", "model.py registers its 'Deep' under another name; write 'deep-net'"),
    "one that is nowhere": ("model: {type: Wider}", "no installed plugin offers a model called 'Wider'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), UNREGISTERED.values(), ids=UNREGISTERED)
def test_a_class_that_is_there_and_not_on_offer(problems_in, folder, text, message):
    (folder / "model.py").write_text(f"{MODEL}\n\n@MODELS.register_module(name='deep-net')\nclass Deep(Wide): ...\n")
    (problem,) = problems_in(IMPORTS + text)
    assert (problem.code, problem.suggestion) == ("unknown-type", None)
    assert message in problem.message


def test_failed_imports_can_be_allowed(problems_in):
    text = "custom_imports: {imports: [./modell.py], allow_failed_imports: true}\nmodel: {type: SmallConvNet}"
    assert [problem.severity for problem in problems_in(text)] == ["warning"]


def test_an_installed_package_is_found_without_importing_it(problems_in):
    assert problems_in("custom_imports: {imports: [email.mime]}\nmodel: {type: SmallConvNet}") == []


def test_a_base_names_files_beside_itself(problems_in, folder):
    (folder / "bases").mkdir()
    (folder / "bases" / "own.py").write_text(MODEL.replace("Net", "Own"))
    (folder / "bases" / "layers.py").write_text(LAYERS)
    (folder / "bases" / "base.yaml").write_text("custom_imports: {imports: [./own.py]}\nmodel: {type: Own, depth: 1}\n")
    assert problems_in("_base_: bases/base.yaml\nmodel: {width: 3}") == []


def test_the_given_catalog_stays_as_it_was(problems_in, catalog):
    before = len(list(catalog))
    problems_in(IMPORTS + "model: {type: Net, depth: 2}")
    assert len(list(catalog)) == before


def test_the_kinds_whose_classes_may_be_listed():
    listed = load("custom_imports")["properties"]["components"]["properties"]
    assert set(listed) == {name for name, kind in KINDS.items() if kind.is_torchs}
    assert "torch.utils.data.Dataset" in listed["dataset"]["description"]


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ('dataset: {Tensors: "torch.utils.data:TensorDataset"}', []),
        ('dataset: {Line: "torch.nn:Linear"}', [("not-of-its-kind", "custom_imports.components.dataset.Line")]),
        ('dataset: {System: "os:system"}', [("not-of-its-kind", "custom_imports.components.dataset.System")]),
        ('dataset: {Split: "torch.utils.data:random_split"}', [("not-of-its-kind", "custom_imports.components.dataset.Split")]),
        ('dataset: {Typo: "torch.utils.data:Tensordataset"}', [("component-unreadable", "custom_imports.components.dataset.Typo")]),
        ('dataset: {Dotted: "torch.utils.data.TensorDataset"}', [("component-unreadable", "custom_imports.components.dataset.Dotted")]),
        ("dataset: {Number: 3}", [("wrong-type", "custom_imports.components.dataset.Number")]),
        ('function: {System: "os:system"}', [("unknown-key", "custom_imports.components.function")]),
    ],
)  # fmt: skip
def test_classes_of_packages_that_know_nothing_of_us(problems_in, components, expected):
    text = f"custom_imports: {{components: {{{components}}}}}\nmodel: {{type: nn.ReLU}}"
    assert [(problem.code, problem.path) for problem in problems_in(text)] == expected


def test_their_signatures_are_checked(problems_in):
    lines = 'custom_imports: {components: {model: {Line: "torch.nn:Linear"}}}\n'
    assert problems_in(lines + "model: {type: Line, in_features: 3, out_features: 2}") == []
    (problem,) = problems_in(lines + "model: {type: Line, in_features: 3, out_feature: 2}")
    assert (problem.code, problem.suggestion) == ("unknown-key", "out_features")


def test_a_function_is_a_transform_by_its_bare_name(problems_in, folder):
    """What it requires is what it is called with."""
    (folder / "model.py").write_text(
        "from runner.registry import TRANSFORMS\n\n\n@TRANSFORMS.register_module()\ndef scaled(sample, by=2): ...\n"
    )
    text = IMPORTS + (
        "model: {type: nn.ReLU}\ntest_cfg: {}\ntest_evaluator: {type: Accuracy}\ntest_dataloader:\n"
        "  sampler: null\n  dataset: {type: BaseDataset, pipeline: [scaled, {type: scaled, by: 3}, {type: scaled, bye: 3}]}"
    )
    (problem,) = problems_in(text)
    assert (problem.code, problem.path) == ("unknown-key", "test_dataloader.dataset.pipeline.2.bye")
