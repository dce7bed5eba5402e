from __future__ import annotations

import pytest

from runner.config import compose
from runner.validation import check

PARTS = {
    "model": "{type: SmallConvNet}",
    "train_dataloader": "{dataset: {type: Digits}, sampler: {type: DefaultSampler}}",
    "train_cfg": "{by_epoch: true, max_epochs: 12}",
    "optim_wrapper": "{optimizer: {type: SGD, lr: 0.1}}",
    "val_dataloader": "{dataset: {type: Digits, split: val}, sampler: {type: DefaultSampler, shuffle: false}}",
    "val_cfg": "{}",
    "val_evaluator": "{type: Accuracy}",
}
"""A run that has no problem, as short as it can be."""


@pytest.fixture
def complete():
    """Put the parts that a text lacks below it."""

    def complete(text):
        fields = compose("cfg.yaml", text=text).data
        return "\n".join([text, *(f"{name}: {value}" for name, value in PARTS.items() if name not in fields)])

    return complete


@pytest.fixture
def found(catalog, complete):
    """The problems of the least run with some of its fields given."""

    def found(text, overrides=(), **options):
        options = {"catalog": catalog, **options}
        return check(compose("cfg.yaml", text=complete(text), overrides=overrides), **options)

    return found


@pytest.fixture
def marked(found):
    """The same as (code, path, severity), sorted."""

    def marked(text, **options):
        return sorted((problem.code, problem.path, problem.severity) for problem in found(text, **options))

    return marked
