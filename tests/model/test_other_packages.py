"""Models of packages that know nothing of this one: offered where the package is, and named where it is not."""

from __future__ import annotations

import sys
import types

import pytest
from torch import nn

from runner.errors import BuildError, RegistryError
from runner.model.transformers_model import transformers_model
from runner.plugin import default_plugins, discover
from runner.plugin.models import THIRD_PARTY

ROWS = [(distribution, name) for distribution, rows in THIRD_PARTY.items() for name in rows]


@pytest.mark.parametrize("distribution", THIRD_PARTY)
def test_models_are_offered_where_their_package_is_installed(tmp_path, monkeypatch, distribution):
    info = tmp_path / f"{distribution}-99.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 99\n")
    monkeypatch.syspath_prepend(tmp_path)
    catalog = discover().catalog
    for name, target in THIRD_PARTY[distribution].items():
        assert catalog.resolve("model", name).target == target


@pytest.mark.parametrize("name", ["torchvision.resnet18", "timm.create_model", "transformers.model"])
def test_a_package_that_is_not_installed_is_named(name):
    catalog = default_plugins().catalog
    if any(entry.name == name for entry in catalog):
        assert catalog.resolve("model", name).kind == "model"
        return
    with pytest.raises(RegistryError, match=f"pip install {name.partition('.')[0]}"):
        catalog.resolve("model", name)


class Settings:
    attribute_map = {"width": "hidden_size"}  # noqa: RUF012 - as in transformers

    def __init__(self, **given):
        self.given = given

    def to_dict(self):
        return {"hidden_size": 8, **self.given}


@pytest.fixture
def stand_in(monkeypatch):
    """The part of transformers that is called, which is too large to be installed for this."""

    class Auto:
        from_config = staticmethod(lambda settings: nn.Linear(settings.to_dict()["hidden_size"], 1))
        from_pretrained = staticmethod(lambda name, **given: nn.Linear(2, given.get("num_labels", 3)))

    names = dict.fromkeys(auto_classes(), Auto)
    module = types.SimpleNamespace(
        AutoConfig=types.SimpleNamespace(
            for_model=lambda kind, **given: Settings(**given), from_pretrained=lambda name: Settings()
        ),
        **names,
    )
    monkeypatch.setitem(sys.modules, "transformers", module)


def auto_classes():
    from typing import get_args, get_type_hints

    return get_args(get_type_hints(transformers_model)["auto_class"])


def test_a_model_of_transformers_has_fresh_or_published_weights(stand_in):
    assert transformers_model("AutoModel", "bert", hidden_size=4).in_features == 4
    assert transformers_model("AutoModelForCausalLM", pretrained="some/model", num_labels=5).out_features == 5


def test_a_value_that_its_configuration_does_not_have_is_refused(stand_in):
    with pytest.raises(BuildError, match="Settings has no 'hiden_size'; did you mean 'hidden_size'"):
        transformers_model("AutoModel", "bert", hiden_size=4)
    with pytest.raises(BuildError, match="give one of model_type"):
        transformers_model("AutoModel")


def test_without_transformers_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BuildError, match="pip install transformers"):
        transformers_model("AutoModel", "bert")
