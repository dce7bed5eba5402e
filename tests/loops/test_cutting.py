"""Batches of every form cut along their samples."""

from __future__ import annotations

from collections import UserDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from runner.dataset import default_collate, pseudo_collate
from runner.loops.cutting import IndivisibleError, cut, samples_in
from runner.structures import BaseDataElement


class Pair(NamedTuple):
    inputs: Any
    labels: Any


def tensor(*shape: int) -> torch.Tensor:
    return torch.arange(float(np.prod(shape))).reshape(shape)


def plain(value: Any) -> Any:
    """The same with tensors as lists, for comparison."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return value.tolist()
    if isinstance(value, dict | UserDict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


SAMPLES = [(tensor(3, 2) + number, number, f"s{number}") for number in range(3)]
"""Three samples of three rows each: numbers of samples and of rows can't be told apart."""


@pytest.mark.parametrize(("collate", "collation"), [(default_collate, "stacked"), (pseudo_collate, "listed")])
@pytest.mark.parametrize(
    "form",
    [
        lambda x, y, name: (x, y),
        lambda x, y, name: (x, y, name),
        lambda x, y, name: {"inputs": x, "labels": y, "name": name},
        lambda x, y, name: {"inputs": {"image": x, "again": [x, x, x]}, "labels": (y, x)},
        lambda x, y, name: Pair(x, y),
        lambda x, y, name: {"inputs": x, "data_samples": BaseDataElement(metainfo={"number": y})},
    ],
)
def test_parts_are_what_collation_makes_of_their_samples(form: Any, collate: Any, collation: Any) -> None:
    samples = [form(*sample) for sample in SAMPLES]
    whole = collate(samples)
    for start, stop in ((0, 1), (1, 3)):
        part = cut(whole, 3, start, stop, collation=collation)
        expected = collate(samples[start:stop])
        assert type(part) is type(expected)
        assert plain(part) == plain(expected)


def test_samples_that_are_only_put_into_a_list() -> None:
    images = [tensor(3, 4 + number, 4) for number in range(5)]
    targets = [{"boxes": tensor(number, 4)} for number in range(5)]
    detection = (tuple(images), tuple(targets))
    assert plain(cut(detection, 5, 1, 3)) == plain((images[1:3], targets[1:3]))
    listed = list(zip(images, range(5), strict=True))
    assert plain(cut(listed, 5, 1, 3)) == plain(listed[1:3])


def test_what_all_samples_share_is_handed_to_each_part() -> None:
    batch = {"x": tensor(4, 2), "scale": 2.0, "weight": torch.tensor(0.5), "name": "train", "none": None, "empty": []}
    part = cut(batch, 4, 0, 2)
    assert plain(part) == {**plain(batch), "x": [[0.0, 1.0], [2.0, 3.0]]}
    assert plain(cut([tensor(4, 2), 0.1], 4, 3, 4)) == [[[6.0, 7.0]], 0.1]


def test_mappings_of_other_types_and_arrays_keep_theirs() -> None:
    part = cut(UserDict(ids=np.arange(6).reshape(3, 2)), 3, 2, 3)
    assert isinstance(part, UserDict)
    assert plain(part) == {"ids": [[4, 5]]}


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"x": tensor(4, 2), "edges": tensor(9, 2)}, r"batch\['edges'\] has a length of 9, and there are 4 samples"),
        ({"x": tensor(4), "names": ["a", "b"]}, r"batch\['names'\] has a length of 2"),
        ([tensor(4), object()], r"batch\[1\] is a object, which can't be cut"),
        ({"x": tensor(4), "graph": object()}, r"batch\['graph'\] is a object, which can't be cut"),
    ],
)
def test_what_cannot_be_cut_is_named(batch: Any, message: str) -> None:
    with pytest.raises(IndivisibleError, match=message):
        cut(batch, 4, 0, 2)


@pytest.mark.parametrize(
    ("batch", "samples"),
    [(tensor(4, 2), 4), ({"x": tensor(4), "s": 1.0}, 4), ([tensor(4), tensor(4, 3)], 4), ({"n": ["a", "b"]}, 2)],
)
def test_a_batch_may_tell_its_samples(batch: Any, samples: int) -> None:
    assert samples_in(batch) == samples


@pytest.mark.parametrize("batch", [1.0, {"x": tensor(4), "y": tensor(3)}])
def test_or_not(batch: Any) -> None:
    with pytest.raises(IndivisibleError, match=r"its parts have (no|3, 4) samples"):
        samples_in(batch)
