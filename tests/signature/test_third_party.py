"""Components of packages that know nothing of us, offered by a table: torch's own, and all of torchmetrics.

What a constructor takes is told here by `inspect` on the imported class, and by ours from the text alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from enum import Enum
from pathlib import Path

import pytest
import torch
from torch.optim import lr_scheduler

from runner.kinds import KINDS
from runner.plugin import Catalog, Entry
from runner.validation.components import Components
from runner.validation.keywords import make_validator

STRANGER = "no_such_argument"

TAKES_ANYTHING = {
    "BinaryFairness": "its **kwargs are taken and not looked at",
    "BinaryGroupStatRates": "its **kwargs are taken and not looked at",
    "PermutationInvariantTraining": "its **kwargs go to the function that it is given",
    "permutation_invariant_training": "its **kwargs go to the function that it is given",
}
"""What torchmetrics itself calls with any argument at all, so that none is a mistake."""


def classes(module, base, also=""):
    for name, value in sorted(vars(module).items()):
        if inspect.isclass(value) and issubclass(value, base) and value is not base and name.endswith(also):
            yield name


def torchs():
    for name in classes(torch.optim, torch.optim.Optimizer):
        yield "optimizer", f"torch.optim:{name}"
    for name in classes(torch.nn, torch.nn.Module, "Loss"):
        yield "model", f"torch.nn:{name}"
    for name in classes(lr_scheduler, lr_scheduler.LRScheduler):
        if not name.startswith("_"):  # `_LRScheduler` is the base's old name
            yield "param_scheduler", f"torch.optim.lr_scheduler:{name}"


def check(kind, target, **arguments):
    """The problems of one component's mapping."""
    name = target.partition(":")[2]
    catalog = Catalog([Entry(kind=kind, name=name, plugin="stranger", target=target, distribution="stranger")])
    components = Components(catalog, scope=None, missing_types="error")
    validator = make_validator(components)({})
    return list(validator.descend({"type": name, **arguments}, {"x-slot": kind}, path="component"))


def plain(value):
    """A default as a config writes it; raises where it is none that a config can hold."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if type(value) is torch.dtype:
        return str(value)
    raise TypeError


def constructor(target):
    """The parameters of the code itself that a config can give, by name."""
    module, _, name = target.partition(":")
    value = getattr(importlib.import_module(module), name)
    signature = inspect.signature(value)
    if inspect.isclass(value) and value.__new__ is not object.__new__ and "__new__" in vars(value):
        signature = inspect.signature(value.__new__)
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return {key: one for key, one in signature.parameters.items() if one.kind in named and key not in {"self", "cls"}}


def holds(kind, target):
    """Hold our schema against the code: its defaults are accepted, nothing else is, and what it needs is needed."""
    parameters = {key: one for key, one in constructor(target).items() if key not in KINDS[kind].injected}
    given = {}
    for key, parameter in parameters.items():
        try:
            given[key] = plain(parameter.default)
        except TypeError:
            continue
    found = check(kind, target, **given)
    needed = {key for key, one in parameters.items() if one.default is one.empty} if kind != "function" else set()
    assert {(error.code, error.path[-1]) for error in found} == {("missing-key", key) for key in needed}
    found = check(kind, target, **given, **{STRANGER: 1})
    refused = ("unknown-key", STRANGER) in {(error.code, error.path[-1]) for error in found}
    assert refused == (target.partition(":")[2] not in TAKES_ANYTHING)


@pytest.mark.parametrize(("kind", "target"), list(torchs()))
def test_torchs_own(kind, target):
    holds(kind, target)


def test_there_are_as_many_as_torch_has():
    kinds = [kind for kind, _ in torchs()]
    assert kinds.count("optimizer") >= 13
    assert kinds.count("model") >= 20
    assert kinds.count("param_scheduler") >= 14


def torchmetrics_modules():
    """Where torchmetrics lists components, found without importing it."""
    spec = importlib.util.find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        skipped = pytest.mark.skip(reason="torchmetrics is not installed; the dev extra brings it")
        return [pytest.param("torchmetrics", marks=skipped)]
    root = Path(spec.origin).parent
    found = ["torchmetrics"]
    for package in ("torchmetrics", "torchmetrics.functional"):
        folder = root.joinpath(*package.split(".")[1:])
        found += [f"{package}.{each.name}" for each in pkgutil.iter_modules([str(folder)]) if each.ispkg]
    return [name for name in found if name != "torchmetrics.utilities"]  # its parts, no components


@pytest.mark.parametrize("module", torchmetrics_modules())
def test_torchmetrics(module):
    found = importlib.import_module(module)
    targets = [(name, getattr(found, name)) for name in found.__all__]
    kinds = {name: "metric" if inspect.isclass(value) else "function" for name, value in targets if callable(value)}
    if not kinds:
        pytest.skip(f"all of {module} needs further packages")
    assert module != "torchmetrics" or len(kinds) > 100
    failures = {}
    for name, kind in kinds.items():
        try:
            holds(kind, f"{module}:{name}")
        except AssertionError as error:
            failures[name] = str(error)
    assert failures == {}


def test_what_is_said_to_take_anything_does():
    classification = pytest.importorskip("torchmetrics.classification")
    classification.BinaryFairness(num_groups=2, **{STRANGER: 1})
    classification.BinaryGroupStatRates(num_groups=2, **{STRANGER: 1})
    audio = pytest.importorskip("torchmetrics.audio")
    audio.PermutationInvariantTraining(lambda preds, target: preds - target, **{STRANGER: 1})
