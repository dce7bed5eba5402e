"""Configs that an installed package ships, and their models; the package lies in a folder of `sys.path`."""

from __future__ import annotations

import sys
import textwrap

import pytest
import torch

from runner import hub
from runner.errors import BuildError, RegistryError
from runner.plugin import default_plugins

PLUGIN = """
from pathlib import Path


def runner_register(catalog):
    catalog.model("HubNet", "runner_hubtest.net:HubNet")


def runner_bases():
    return Path(__file__).parent / "configs"
"""
NET = '''
from torch import nn
from runner.model import BaseModel


class HubNet(BaseModel):
    """A net.

    Args:
        width: Its width.
        depth: Its depth.
    """

    def __init__(self, width: int = 1, depth: int = 1, data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
'''
CONFIG = """
model: {type: HubNet, width: 2}
data_preprocessor: {type: BaseDataPreprocessor, non_blocking: true}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    home = tmp_path / "site" / "runner_hubtest"
    info = tmp_path / "site" / "runner_hubtest-1.dist-info"
    (home / "configs" / "small").mkdir(parents=True)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runner-hubtest\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[runner]\nhubtest = runner_hubtest.plugin\n")
    (home / "__init__.py").touch()
    (home / "plugin.py").write_text(textwrap.dedent(PLUGIN))
    (home / "net.py").write_text(textwrap.dedent(NET))
    (home / "configs" / "small" / "net.yaml").write_text(CONFIG)
    (home / "configs" / "plain.yaml").write_text("model: {type: HubNet}\nload_from: /somewhere/plain.pth\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    default_plugins.cache_clear()
    yield home
    default_plugins.cache_clear()
    for name in [name for name in sys.modules if name.startswith("runner_hubtest")]:
        del sys.modules[name]


def test_a_config_is_found_with_and_without_its_ending(package):
    for name in ("hubtest::small/net.yaml", "hubtest::small/net", "runner_hubtest::small/net"):
        assert hub.get_config(name).model.width == 2


def test_a_model_is_built_with_more_arguments_and_its_preprocessor(package):
    model = hub.get_model("hubtest::small/net", depth=3, width=9)
    assert type(model).__name__ == "HubNet"
    assert len(model.layers) == 3
    assert model.layers[0].in_features == 2
    assert model.data_preprocessor._non_blocking is True
    assert not model.is_init


def test_its_weights_are_those_that_the_metafile_names(package):
    source = hub.get_model("hubtest::small/net")
    torch.save(source.state_dict(), package / "configs" / "net.pth")
    (package / "configs" / "metafile.yml").write_text("Models:\n- {Config: small/net.yaml, Weights: net.pth}\n")
    config = hub.get_config("hubtest::small/net", pretrained=True)
    assert config.load_from == str((package / "configs" / "net.pth").resolve())
    model = hub.get_model("hubtest::small/net", pretrained=True)
    assert torch.equal(model.layers[0].weight, source.layers[0].weight)
    assert model.is_init
    assert hub.get_config("hubtest::plain", pretrained=True).load_from == "/somewhere/plain.pth"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small/net.yaml", "write package::path/in/it.yaml"),
        ("nothing::net", "no installed package 'nothing' offers configs"),
        ("hubtest::small/nett", "offers no config 'small/nett'; it offers plain.yaml, small/net.yaml"),
        ("hubtest::../../secret", "offers no config"),
    ],
)
def test_what_is_not_there_is_said(package, name, message):
    with pytest.raises(RegistryError, match=message):
        hub.get_config(name)


def test_a_config_without_weights_is_said(package):
    with pytest.raises(BuildError, match="comes without weights"):
        hub.get_model("hubtest::small/net", pretrained=True)
