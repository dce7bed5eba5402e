from __future__ import annotations

import pytest
import torch

from runner.plugin import default_plugins

BESIDE = {"minimum": -1e-3, "exclusiveMinimum": 0.0, "maximum": 1e-3, "exclusiveMaximum": 0.0}
"""How far from a bound the nearest value lies that is refused, whatever the keyword."""


def rows():
    for entry in default_plugins().catalog.entries("optimizer"):
        for argument, schema in (entry.schema or {"properties": {}})["properties"].items():
            items = schema.get("prefixItems") or ([schema["items"], schema["items"]] if "items" in schema else None)
            for index, item in enumerate(items or [schema]):
                for keyword in [keyword for keyword in BESIDE if keyword in item]:
                    place = index if items else None
                    yield pytest.param(
                        entry, argument, place, keyword, item[keyword], id=f"{entry.name}-{argument}-{keyword}-{place}"
                    )


def build(entry, argument, index, value):
    cls = getattr(torch.optim, entry.target.partition(":")[2])
    given = value
    if index is not None:
        given = {"betas": [0.9, 0.99], "etas": [0.5, 1.2]}[argument].copy()
        given[index] = value
    return cls([torch.nn.Parameter(torch.zeros(2, 2))], **{argument: given})


@pytest.mark.parametrize(("entry", "argument", "index", "keyword", "bound"), list(rows()))
def test_the_bounds_are_the_ones_that_torch_has(entry, argument, index, keyword, bound):
    with pytest.raises(ValueError):
        build(entry, argument, index, bound + BESIDE[keyword])
    inside = {"minimum": 0, "maximum": 0, "exclusiveMinimum": 1e-3, "exclusiveMaximum": -1e-3}[keyword]
    build(entry, argument, index, float(bound + inside))
