from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from runner.dataset import default_collate, pseudo_collate


class Pair(NamedTuple):
    image: torch.Tensor
    name: str


class Element:
    """As MMEngine's BaseDataElement: has a say in what it is."""

    def metainfo_keys(self):
        return []


def test_pseudo_collate_stacks_nothing():
    batch = [{"image": torch.zeros(index), "size": (index, 2), "name": str(index)} for index in (1, 2)]
    collated = pseudo_collate(batch)
    assert [each.numel() for each in collated["image"]] == [1, 2]
    assert [list(each) for each in collated["size"]] == [[1, 2], [2, 2]]
    assert collated["name"] == ["1", "2"]


def test_default_collate_stacks():
    batch = [
        {"image": torch.full((2,), index), "label": index, "array": np.ones(1), "name": str(index)} for index in (1, 2)
    ]
    collated = default_collate(batch)
    assert collated["image"].tolist() == [[1, 1], [2, 2]]
    assert collated["label"].tolist() == [1, 2]
    assert collated["array"].shape == (2, 1)
    assert collated["name"] == ["1", "2"]


@pytest.mark.parametrize("collate", [default_collate, pseudo_collate])
def test_structures(collate):
    pairs = collate([Pair(torch.zeros(1), "a"), Pair(torch.ones(1), "b")])
    assert isinstance(pairs, Pair)
    assert list(pairs.name) == ["a", "b"]
    assert isinstance(collate([(1, 2), (3, 4)]), list)
    assert isinstance(collate([[1, 2], [3, 4]]), list)
    elements = [Element(), Element()]
    assert list(collate([(each,) for each in elements])[0]) == elements


@pytest.mark.parametrize("collate", [default_collate, pseudo_collate])
def test_samples_of_different_lengths_are_named(collate):
    with pytest.raises(RuntimeError, match="sample 1 of the batch has 1 fields where the first has 2"):
        collate([(1, 2), (1,)])
