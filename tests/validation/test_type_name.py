"""A parameter that names a component: what stands beside it is checked as that component's arguments."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator

from runner import Hook, TypeName
from runner.config import compose
from runner.plugin import Catalog, Entry, discover
from runner.signature import describe
from runner.validation import bundle, check

BASE = """
model: {type: SmallConvNet}
train_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}}
train_cfg: {by_epoch: true, max_epochs: 2}
optim_wrapper: {optimizer: {type: SGD, lr: 0.1}}
custom_hooks: [{type: %s}]
"""


class Derived(Hook):
    """Hands on what it is given."""

    def __init__(
        self, name: Annotated[str, TypeName("averaged_model")] = "ExponentialMovingAverage", **options: Any
    ) -> None:
        self.options = {"type": name, **options}


class Further(Derived):
    """Adds an argument."""

    def __init__(self, more: int = 0, **rest: Any) -> None:
        super().__init__(**rest)


class Fixed(Derived):
    """Chooses the name itself."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(name="MomentumAnnealingEMA", **rest)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    found = discover().catalog.copy()
    for cls in (Derived, Further, Fixed):
        target = f"{cls.__module__}:{cls.__name__}"
        found.add(Entry(kind="hook", name=cls.__name__, plugin="local", target=target, obj=cls))
    return found


ROWS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "the default's arguments": ("EMAHook, momentum: 0.1", []),
    "another's arguments": ("EMAHook, ema_type: MomentumAnnealingEMA, gamma: 3", []),
    "a whole name": ("EMAHook, ema_type: runner.MomentumAnnealingEMA, gamma: 3", []),
    "misspelt": ("EMAHook, momentm: 0.1", [("unknown-key", "momentm")]),
    "not the default's": ("EMAHook, gamma: 3", [("unknown-key", "gamma")]),
    "out of range": ("EMAHook, momentum: 2", [("out-of-range", "momentum")]),
    "what the engine passes": ("EMAHook, model: x", [("injected-argument", "model")]),
    "no such name": ("EMAHook, ema_type: EMA, gamma: 3", [("unknown-type", "ema_type")]),
    "no name": ("EMAHook, ema_type: 3, gamma: 3", [("wrong-type", "ema_type")]),
    "of another kind": ("EMAHook, ema_type: SmallConvNet", [("unknown-type", "ema_type")]),
    "a constructor of one's own": ("Derived, name: MomentumAnnealingEMA, gama: 3", [("unknown-key", "gama")]),
    "through a base": ("Further, more: 1, momentum: 2", [("out-of-range", "momentum")]),
    "a name that is set": ("Fixed, gamma: x", []),
}


@pytest.mark.parametrize(("hook", "expected"), ROWS.values(), ids=ROWS)
def test_what_stands_beside_it(catalog: Catalog, hook: str, expected: list[tuple[str, str]]) -> None:
    problems = check(compose("cfg.yaml", text=BASE % hook), catalog)
    assert [(problem.code, problem.path.removeprefix("custom_hooks.0.")) for problem in problems] == expected


def test_what_is_described() -> None:
    found = describe("runner.hooks.ema:EMAHook")
    assert not found.open
    parameter = found.parameter("ema_type")
    assert parameter is not None
    assert parameter.schema == {"type": "string", "x-type-name": "averaged_model"}
    assert found.notes == ("Further arguments are those of the component that 'ema_type' names.",)
    assert describe(Fixed).open


@pytest.fixture(scope="module")
def editors(catalog: Catalog) -> Draft202012Validator:
    return Draft202012Validator(bundle(catalog=catalog))


@pytest.mark.parametrize(
    ("hook", "is_valid"),
    [
        ("EMAHook, momentum: 0.1", True),
        ("EMAHook, ema_type: MomentumAnnealingEMA, gamma: 3", True),
        ("EMAHook, momentm: 0.1", False),
        ("EMAHook, momentum: 2", False),
        ("EMAHook, ema_type: EMA", False),
    ],
)
def test_what_editors_are_told(editors: Draft202012Validator, hook: str, is_valid: bool) -> None:
    assert editors.is_valid(compose("cfg.yaml", text=BASE % hook).data) == is_valid
