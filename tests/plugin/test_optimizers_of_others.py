"""Optimizers and constructors that come with other packages."""

from __future__ import annotations

import importlib.metadata

import pytest

from runner.errors import RegistryError
from runner.plugin import Catalog, Entry
from runner.plugin.optimizers import THIRD_PARTY, installed


def test_each_name_means_one_thing():
    names = [name for targets in THIRD_PARTY.values() for name in targets]
    assert len(names) == len(set(names))
    assert {"Lion", "DAdaptAdaGrad", "DAdaptAdam", "DAdaptSGD", "Adafactor", "bnb_Adam", "Prodigy", "SophiaG"} <= {
        *names
    }
    for targets in THIRD_PARTY.values():
        for name, target in targets.items():
            module, _, attribute = target.partition(":")
            assert module
            assert name in {attribute, f"bnb_{attribute}", f"timm_{attribute}"}


def test_what_is_installed_is_offered(monkeypatch):
    def version(name):
        if name != "lion-pytorch":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr("runner.plugin.optimizers.version", version)
    assert list(installed()) == [("Lion", "lion_pytorch:Lion")]


def test_what_is_not_installed_is_named_with_the_package_that_has_it():
    catalog = Catalog([Entry(kind="optimizer", name="Adam", plugin="runner", target="torch.optim:Adam")])
    with pytest.raises(RegistryError, match=r"lion-pytorch does: pip install lion-pytorch$"):
        catalog.resolve("optimizer", "Lion")
    with pytest.raises(RegistryError, match=r"timm does: pip install timm; or use 'Adam'$") as found:
        catalog.resolve("optimizer", "AdamP")
    assert found.value.suggestion is None


LION = '''
"""A stand-in for the package of that name."""

import torch


class Lion(torch.optim.SGD):
    """Evolved sign momentum."""

    def __init__(self, params, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99)):
        super().__init__(params, lr=lr)
'''

LION_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "lion-pytorch"
version = "0.2.3"

[tool.hatch.build.targets.wheel]
packages = ["lion_pytorch"]
"""

CONSTRUCTOR = '''
from typing import Annotated, TypedDict

from runner.kinds import Interval
from runner.optim import DefaultOptimWrapperConstructor


class Warm(TypedDict, total=False):
    """How fast the head learns.

    Attributes:
        head_mult: Multiplies the head's learning rate.
    """

    head_mult: Annotated[float, Interval(gt=0)]


class HeadFirst(DefaultOptimWrapperConstructor):
    """Another rate for the head."""

    allowed_options = Warm.__annotations__

    def __init__(self, optim_wrapper_cfg, paramwise_cfg: Warm | None = None):
        super().__init__(optim_wrapper_cfg, paramwise_cfg)

    def add_params(self, params, module, prefix="", is_dcn_module=False):
        for name, parameter in module.named_parameters():
            mult = self.paramwise_cfg.get("head_mult", 1.0) if "classifier" in name else 1.0
            params.append({"params": [parameter], "lr": self.base_lr * mult})
'''

RUN = """\
model: {type: SmallConvNet, num_classes: 10, in_channels: 1, width: 2}
train_dataloader:
  batch_size: 16
  num_batch_per_epoch: 2
  sampler: {type: DefaultSampler}
  collate_fn: default_collate
  dataset: {type: Digits}
train_cfg: {by_epoch: true, max_epochs: 1}
optim_wrapper:
  constructor: HeadFirst
  optimizer: {type: Lion, lr: 0.25}
  paramwise_cfg: {head_mult: 2}
"""


@pytest.mark.slow
def test_a_constructor_and_an_optimizer_from_installed_packages(environment, write_plugin, tmp_path):
    plugin = """
from runner import hookimpl

@hookimpl
def runner_register(catalog):
    catalog.optim_wrapper_constructor("HeadFirst", "runner_warm.constructors:HeadFirst")
"""
    lion = tmp_path / "lion"
    (lion / "lion_pytorch").mkdir(parents=True)
    (lion / "lion_pytorch" / "__init__.py").write_text(LION)
    (lion / "pyproject.toml").write_text(LION_PROJECT)
    environment.install(write_plugin("warm", plugin, constructors=CONSTRUCTOR), lion)
    config = environment.home / "cfg.yaml"
    config.write_text(RUN.replace("head_mult", "head_mul"))
    found = environment.runner("validate", "cfg.yaml")
    assert "paramwise_cfg.head_mul: no such key; did you mean 'head_mult'?" in found.stdout
    config.write_text(RUN)
    done = environment.runner("train", "cfg.yaml", "--work-dir", "out", "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "base_lr: 2.5000e-01" in done.stdout
    assert "Lion" in environment.runner("components", "optimizer").stdout
