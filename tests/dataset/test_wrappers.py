from __future__ import annotations

import numpy as np
import pytest
import torch
from annotated import SIZE, Numbers, take
from noisy_data import Noisy, Together
from torch.utils.data import Dataset

from runner.dataset import ClassBalancedDataset, ConcatDataset, Head, RepeatDataset
from runner.errors import BuildError
from runner.registry import DATASETS


def numbers(dataset):
    return [int(dataset[index][0]) for index in range(len(dataset))]


def make(count=SIZE, **kwargs):
    return Numbers(indices=count, pipeline=[take], **kwargs)


def test_one_after_the_other():
    dataset = ConcatDataset([make(3), make(2), make(4)])
    assert numbers(dataset) == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert [int(dataset[index][0]) for index in (-1, -5, -9)] == [3, 1, 0]
    assert [int(sample[0]) for sample in dataset.__getitems__([8, 0, 1, 4])] == [3, 0, 1, 1]
    assert dataset.get_data_info(4)["number"] == 1
    assert dataset.get_cat_ids(0) == []
    assert dataset.metainfo == {"classes": ["a", "b"]}
    with pytest.raises(ValueError, match="there is no sample 9: there are 9"):
        dataset[9]


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (
            {"classes": ["a", "c"]},
            ValueError,
            r"'classes' in the metainfo of data set 1 is \['a', 'c'\], and \['a', 'b'\]",
        ),
        ({"classes": ("a", "b")}, TypeError, "of data set 1 is a tuple, and a list in the first"),
        ({"classes": ["a", "b"], "more": 1}, ValueError, "of data set 0 lacks 'more'"),
    ],
)
def test_what_is_known_has_to_agree(second, error, message):
    with pytest.raises(error, match=message):
        ConcatDataset([make(), make(metainfo=second)])
    ignored = ConcatDataset([make(), make(metainfo=second)], ignore_keys=["classes", "more"])
    assert ignored.metainfo == {"classes": ["a", "b"]}


def test_arrays_may_agree():
    palette = {"palette": np.eye(2)}
    assert len(ConcatDataset([make(metainfo=palette), make(metainfo=palette)])) == 2 * SIZE
    with pytest.raises(ValueError, match="'palette'"):
        ConcatDataset([make(metainfo=palette), make(metainfo={"palette": np.ones((2, 2))})])
    assert len(ConcatDataset([make(), make(metainfo={"classes": ["c"]})], ignore_keys="classes")) == 2 * SIZE


def test_over_and_over():
    dataset = RepeatDataset(make(3), times=2)
    assert numbers(dataset) == [0, 1, 2, 0, 1, 2]
    assert dataset.get_data_info(5)["number"] == 2
    assert dataset.get_cat_ids(5) == [0]


def test_rare_categories_are_repeated():
    # Category 2 is in 1 of 12 samples, 1 in 2, 0 in 10: with 0.75 their factors are 3, 2.1 and 1.
    dataset = ClassBalancedDataset(make(), oversample_thr=0.75)
    counts = np.bincount(numbers(dataset), minlength=SIZE).tolist()
    assert counts == [1, 1, 1, 1, 1, 3, 1, 3, 1, 1, 3, 1]
    assert dataset.get_data_info(5)["number"] == 5
    assert dataset.get_cat_ids(5) == [0, 1]
    assert numbers(ClassBalancedDataset(make(), oversample_thr=0.0)) == list(range(SIZE))


WRAPPERS = {
    "concat": lambda dataset, **kwargs: ConcatDataset([dataset], **kwargs),
    "repeat": lambda dataset, **kwargs: RepeatDataset(dataset, 2, **kwargs),
    "balanced": lambda dataset, **kwargs: ClassBalancedDataset(dataset, 0.1, **kwargs),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_lazy(wrap):
    dataset = wrap(make(lazy_init=True), lazy_init=True)
    assert dataset.metainfo == {"classes": ["a", "b"]}
    inner = dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset.dataset
    assert inner.data_list == []
    assert not inner._fully_initialized
    assert int(dataset[3][0]) == 3
    assert inner._fully_initialized
    for refused in (dataset.get_subset, dataset.get_subset_):
        with pytest.raises(NotImplementedError, match="give `indices` to the data set within"):
            refused(3)


class Told(Together):
    def get_cat_ids(self, _index):
        return [0]


@pytest.mark.parametrize("wrap", [*WRAPPERS.values(), lambda dataset: Head(dataset, 5)], ids=[*WRAPPERS, "head"])
def test_samples_are_read_together_where_the_data_set_can(wrap):
    dataset = wrap(Told())
    assert [int(sample[0][0]) for sample in dataset.__getitems__([1, 4])] == [1, 4]


def test_data_sets_of_torch():
    assert len(ConcatDataset([Noisy(3), make(2)], ignore_keys="classes")) == 5
    assert len(RepeatDataset(Noisy(3), 3)) == 9
    assert ConcatDataset([Noisy(3)]).metainfo == {}
    with pytest.raises(TypeError, match=r"Noisy has no get_cat_ids\(index\)"):
        ClassBalancedDataset(Noisy(3), 0.1)
    with pytest.raises(TypeError, match="int has none"):
        RepeatDataset(3, 3)
    with pytest.raises(ValueError, match="'datasets' is empty"):
        ConcatDataset([])


class Letters(Dataset):
    def __init__(self, text: str) -> None:
        self.text = text

    def __len__(self):
        return len(self.text)

    def __getitem__(self, index):
        return torch.tensor([ord(self.text[index])])


def test_built_from_a_config():
    DATASETS.register_module("Letters", force=True, module=Letters)
    letters = {"type": "Letters", "text": "abc"}
    nested = {
        "type": "RepeatDataset",
        "times": 2,
        "dataset": {
            "type": "ConcatDataset",
            "datasets": [letters, {"type": "Subset", "dataset": letters, "indices": [2]}],
        },
    }
    dataset = DATASETS.build(nested)
    assert "".join(chr(number) for number in numbers(dataset)) == "abccabcc"
    assert "".join(chr(number) for number in numbers(ConcatDataset([letters, letters]))) == "abcabc"
    with pytest.raises(BuildError, match="get_cat_ids"):
        DATASETS.build({"type": "ClassBalancedDataset", "dataset": letters, "oversample_thr": 0.1})
