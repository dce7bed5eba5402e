"""Backends that files come from."""

from __future__ import annotations

import pytest

from runner.plugin import Entry

DATASET = """
train_dataloader:
  batch_size: 2
  sampler: {type: DefaultSampler, shuffle: true}
  dataset: {type: BaseDataset, ann_file: a.json, backend_args: %s}
"""
PLACE = "train_dataloader.dataset.backend_args.backend"


@pytest.mark.parametrize(
    "arguments",
    ["{}", "null", "{backend: local}", "{backend: s3, anon: true}", "{backend: zip, fo: a.zip}", "{endpoint_url: u}"],
)
def test_backends_that_are_there(found, arguments):
    assert found(DATASET % arguments) == []


def test_a_backend_that_is_not_there(found):
    (problem,) = found(DATASET % "{backend: memry}")
    assert (problem.code, problem.path, problem.suggestion) == ("unknown-storage", PLACE, "memory")
    (problem,) = found(DATASET % "{backend: petrel}")
    assert "'petrel'; write the path as s3://" in problem.message


def test_a_backend_of_a_plugin(found, catalog):
    offered = catalog.copy()
    offered.add(Entry(kind="storage", name="shelf", plugin="zoo", target="zoo.shelf:Shelf"))
    assert found(DATASET % "{backend: shelf}", catalog=offered) == []
