"""The records are held against what `inspect.signature` says of the imported class."""

from __future__ import annotations

import functools
import importlib
import inspect
import typing

import pytest
import torch
import torch.utils.data
from torch.optim import Optimizer, lr_scheduler

from runner.plugin import discover
from runner.signature import REQUIRED, describe
from runner.signature.fragments import accepts
from runner.signature.known import CANONICAL, MODULES, PLAIN

OPTIMIZERS = sorted(
    name for name, found in vars(torch.optim).items() if inspect.isclass(found) and issubclass(found, Optimizer)
)
SCHEDULERS = sorted(
    name
    for name, found in vars(lr_scheduler).items()
    if inspect.isclass(found)
    and issubclass(found, lr_scheduler.LRScheduler)
    and found.__module__ == lr_scheduler.__name__
)
LOSSES = sorted(name for name in dir(torch.nn) if name.endswith("Loss"))
LAYERS = [name for name in sorted(vars(torch.nn)) if inspect.isclass(getattr(torch.nn, name)) and name not in LOSSES]


def held_against(signature, obj):
    """Compare names, order, necessity and literal defaults; what comes through `**kwargs` is not in `inspect`'s."""
    real = inspect.signature(obj)
    expected = {
        name: each
        for name, each in real.parameters.items()
        if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY} and name != "self"
    }
    found = {parameter.name: parameter for parameter in signature.parameters}
    assert list(found)[: len(expected)] == list(expected)
    if all(each.kind is not each.VAR_KEYWORD for each in real.parameters.values()):
        assert len(found) == len(expected)
        assert not signature.open
    for name, each in expected.items():
        assert (found[name].default is REQUIRED) == (each.default is each.empty)
        if not isinstance(found[name].default, type(REQUIRED)):
            assert repr(found[name].default) == repr(each.default)
            assert accepts(found[name].schema, found[name].default)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    found = describe(f"torch.optim:{name}")
    held_against(found, getattr(torch.optim, name))
    assert "torch.optim.optimizer:Optimizer" in found.bases
    if name != "Optimizer":
        assert found.summary
        assert {"lr"} <= {parameter.name for parameter in found.parameters}
        assert all(parameter.schema for parameter in found.parameters), found.notes
        assert found.parameter("lr").doc
        assert found.parameter("lr").slot is None


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name):
    found = describe(f"torch.optim.lr_scheduler:{name}")
    held_against(found, getattr(lr_scheduler, name))


@pytest.mark.parametrize("name", [*LOSSES, *LAYERS])
def test_modules(name):
    held_against(describe(f"torch.nn:{name}"), getattr(torch.nn, name))


def test_the_data_loader():
    found = describe("torch.utils.data:DataLoader")
    held_against(found, torch.utils.data.DataLoader)
    assert found.parameter("dataset").slot == "dataset"
    assert found.parameter("collate_fn").slot == "function"
    assert found.parameter("batch_size").schema == {"type": ["integer", "null"]}


def _imported(target):
    module, _, attribute = target.partition(":")
    return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))


def components():
    return [pytest.param(entry, id=f"{entry.kind}-{entry.qualified}") for entry in discover().catalog]


@pytest.mark.parametrize("entry", components())
def test_every_installed_component(entry):
    try:
        obj = _imported(entry.target)
    except (ImportError, AttributeError) as error:
        pytest.skip(f"cannot be imported: {error}")
    found = describe(entry.target)
    held_against(found, obj)
    if inspect.isclass(obj):
        bases = [_imported(base) for base in found.bases]
        # `typing.Iterable` in the text is `collections.abc.Iterable` in the class.
        assert [typing.get_origin(base) or base for base in bases] == [cls for cls in obj.__mro__ if cls is not object]


@pytest.mark.parametrize(("name", "canonical"), list(CANONICAL.items()))
def test_short_cuts_name_what_is_there(name, canonical):
    objects = []
    for target in (name, canonical):
        module, _, attribute = target.partition(":")
        objects.append(getattr(importlib.import_module(module), attribute))
    assert objects[0] is objects[1]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_short_cuts_to_modules(name):
    package, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(package), attribute) is importlib.import_module(name)


@pytest.mark.parametrize("name", sorted(name for name in PLAIN if name.startswith("torch")))
def test_bases_that_are_not_opened_take_no_arguments(name):
    module, _, attribute = name.partition(":")
    cls = getattr(importlib.import_module(module), attribute)
    try:
        cls(unknown=1)
    except TypeError:
        bases = tuple(f"{base.__module__}:{base.__qualname__}" for base in cls.__mro__[1:-1])
        assert bases == PLAIN[name]
    else:
        pytest.fail("it takes arguments")
