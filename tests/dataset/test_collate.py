from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate as torch_default_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from runner.dataset import default_collate, pseudo_collate
from runner.dataset.collate import sooner


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


TENSORS = [(torch.full((2,), index), torch.tensor(index)) for index in (1, 2)]


@pytest.mark.parametrize(
    "batch",
    [
        TENSORS,
        [(torch.zeros(2), 3, 0.5, "a", np.ones(2)), (torch.ones(2), 4, 1.5, "b", np.zeros(2))],
        [((torch.zeros(1), 1),), ((torch.ones(1), 2),)],
        [(torch.zeros(1).to_sparse(),)],
        [{"a": torch.zeros(2)}, {"a": torch.ones(2)}],
        [[torch.zeros(2)], [torch.ones(2)]],
        [Pair(torch.zeros(1), "a"), Pair(torch.ones(1), "b")],
        [torch.zeros(2), torch.ones(2)],
        [(torch.zeros(2), 1), (torch.ones(3), 2)],
        [(1, 2), (1,)],
        [(1,), 2],
    ],
)
def test_the_sooner_way_gives_what_torch_gives(batch):
    def outcome(collate):
        try:
            return repr(collate(batch))
        except (RuntimeError, TypeError) as error:
            return f"{type(error).__name__}: {error}"

    assert outcome(sooner(torch_default_collate)) == outcome(torch_default_collate)


def test_what_somebody_changed_in_torchs_default_holds(monkeypatch):
    def count(batch, *, collate_fn_map):
        return len(batch)

    monkeypatch.setitem(default_collate_fn_map, torch.Tensor, count)
    assert sooner(torch_default_collate)(TENSORS) == [2, 2]


def test_another_function_stays():
    assert sooner(pseudo_collate) is pseudo_collate
