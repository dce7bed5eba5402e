"""Samples and their order: the same as MMEngine's."""

from __future__ import annotations

import itertools
import json
from typing import ClassVar

import numpy as np
import pytest

mmengine = pytest.importorskip("mmengine")

from mmengine import dataset as theirs  # noqa: E402 - after the skip
from mmengine.dataset import sampler as their_sampler  # noqa: E402

from runner import dataset as ours  # noqa: E402
from runner.dataset import sampler as our_sampler  # noqa: E402

WORLDS = [(rank, size) for size in (1, 2, 3, 8) for rank in sorted({0, size // 2, size - 1})]


@pytest.fixture(params=WORLDS, ids=lambda world: f"rank{world[0]}of{world[1]}")
def place(request, monkeypatch):
    """One rank's view of a run: both ask for nothing else."""
    for module, name in ((their_sampler, "get_dist_info"), (our_sampler, "get_data_info")):
        monkeypatch.setattr(module, name, lambda: request.param)


@pytest.mark.parametrize("size", [1, 7, 24, 5000])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("round_up", [True, False])
@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_default_sampler(place, size, shuffle, round_up, seed):
    one, other = (
        package.DefaultSampler(range(size), shuffle=shuffle, seed=seed, round_up=round_up) for package in (ours, theirs)
    )
    assert len(one) == len(other)
    for epoch in (0, 1, 17):
        one.set_epoch(epoch)
        other.set_epoch(epoch)
        assert list(one) == list(other)


@pytest.mark.parametrize("size", [1, 7, 24, 5000])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_infinite_sampler(place, size, shuffle, seed):
    one, other = (package.InfiniteSampler(range(size), shuffle=shuffle, seed=seed) for package in (ours, theirs))
    assert len(one) == len(other)
    count = 2 * size + 5
    assert list(itertools.islice(one, count)) == list(itertools.islice(other, count))


@pytest.mark.world_size(2)
def test_samplers_in_a_run_of_two():
    for name in ("DefaultSampler", "InfiniteSampler"):
        one, other = (getattr(package, name)(range(9), seed=3) for package in (ours, theirs))
        assert list(itertools.islice(one, 5)) == list(itertools.islice(other, 5))


# ---- data sets -------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "annotations.json"
    samples = [{"img_path": f"{number}.png", "number": number} for number in range(20)]
    path.write_text(json.dumps({"metainfo": {"classes": ["a"], "from": "file"}, "data_list": samples}))
    return path


def subclass(base):
    class Chosen(base):
        METAINFO: ClassVar = {"task": "class"}

        def filter_data(self):
            return [sample for sample in self.data_list if sample["number"] % self.filter_cfg.get("every", 1) == 0]

        def get_cat_ids(self, idx):
            number = self.get_data_info(idx)["number"]
            return [value for value in (2, 3, 7, 11) if number % value == 0]

    return Chosen


def both(file, **kwargs):
    arguments = {"data_root": str(file.parent), "data_prefix": {"img_path": "images/"}, "filter_cfg": {}, **kwargs}
    return [subclass(package.BaseDataset)(file.name, **arguments) for package in (ours, theirs)]


def infos(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"indices": 5},
        {"indices": -5},
        {"indices": [3, 3, 0, -1]},
        {"filter_cfg": {"every": 3}},
        {"filter_cfg": {"every": 3}, "indices": 4},
        {"data_prefix": {"img_path": "/elsewhere"}},
        {"metainfo": {"classes": ["b"], "task": "argument"}},
    ],
)
def test_base_dataset(file, serialize, arguments):
    one, other = both(file, serialize_data=serialize, **arguments)
    assert infos(one) == infos(other)
    assert one.metainfo == other.metainfo
    assert (one.ann_file, one.data_prefix) == (other.ann_file, other.data_prefix)


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize("indices", [0, 1, 7, -1, -7, [], [4, 4, -2]])
def test_subsets(file, serialize, indices):
    one, other = both(file, serialize_data=serialize)
    if indices != []:  # of which MMEngine makes an array of floats
        assert infos(one.get_subset(indices)) == infos(other.get_subset(indices))
    assert len(one.get_subset(indices)) == len(other.get_subset(indices))
    assert len(one) == len(other)


def test_a_sample_in_place_of_none(file):
    kept = []
    for dataset in both(file, pipeline=[lambda sample: sample if np.random.rand() < 0.4 else None]):
        np.random.seed(5)
        kept.append([dataset[index]["number"] for index in range(len(dataset))])
    assert kept[0] == kept[1]


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.5, 1.0, 2.5])
def test_class_balanced(file, threshold):
    one, other = (
        package.ClassBalancedDataset(dataset, threshold)
        for package, dataset in zip((ours, theirs), both(file), strict=True)
    )
    assert list(one.repeat_indices) == other.repeat_indices
    assert infos(one) == infos(other)
    assert [one.get_cat_ids(index) for index in range(len(one))] == [
        other.get_cat_ids(index) for index in range(len(other))
    ]


def test_repeat_and_concat(file):
    one, other = (
        package.RepeatDataset(package.ConcatDataset([dataset, dataset.get_subset([4, 2])]), 2)
        if package is ours
        else package.ConcatDataset([dataset, dataset.get_subset([4, 2])] * 2)
        for package, dataset in zip((ours, theirs), both(file), strict=True)
    )
    assert infos(one) == infos(other)
    one, other = (
        package.RepeatDataset(dataset, 3) for package, dataset in zip((ours, theirs), both(file), strict=True)
    )
    assert infos(one) == infos(other)


@pytest.mark.parametrize("name", ["pseudo_collate", "default_collate"])
def test_collate(name):
    import torch

    batches = [
        [(torch.ones(2), 1, "a"), (torch.zeros(2), 2, "b")],
        [{"x": torch.ones(2), "y": [1, 2.0]}, {"x": torch.zeros(2), "y": [3, 4.0]}],
        [np.ones(2), np.zeros(2)],
        [[1, 2], [3, 4]],
    ]
    for batch in batches:
        one, other = (getattr(package, name)(batch) for package in (ours, theirs))
        assert type(one) is type(other)
        assert repr(one) == repr(other)


def test_the_seeds_of_workers():
    import random

    import torch

    drawn = []
    for package in (ours, theirs):
        threads = torch.get_num_threads()
        package.worker_init_fn(2, num_workers=4, rank=1, seed=10)
        torch.set_num_threads(threads)
        drawn.append((random.random(), np.random.rand(), float(torch.rand(()))))
    assert drawn[0] == drawn[1]
