from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from runner.structures import BaseDataElement, InstanceData, LabelData, PixelData


class Sample(BaseDataElement):
    """A sample as packages of OpenMMLab write it: fields of a fixed type, by properties."""

    @property
    def gt_instances(self):
        return self._gt_instances

    @gt_instances.setter
    def gt_instances(self, value):
        self.set_field(value, "_gt_instances", dtype=InstanceData)

    @gt_instances.deleter
    def gt_instances(self):
        del self._gt_instances


def test_data_and_metainfo_are_apart():
    element = BaseDataElement(metainfo={"size": [2, 3]}, boxes=torch.zeros(2, 4))
    element.scores = torch.ones(2)
    assert element.keys() == ["boxes", "scores"]
    assert element.metainfo_keys() == ["size"]
    assert element.all_keys() == ["size", "boxes", "scores"]
    assert dict(element.items())["scores"].tolist() == [1, 1]
    with pytest.raises(AttributeError, match="'size' can't be a data field, as it is a metainfo field"):
        element.size = 1
    with pytest.raises(AttributeError, match="'boxes' can't be a metainfo field, as it is a data field"):
        element.set_metainfo({"boxes": 1})
    with pytest.raises(AttributeError, match="own"):
        element._data_fields = set()
    with pytest.raises(AttributeError, match="own"):
        del element._data_fields


def test_metainfo_is_copied_and_data_is_not():
    size, boxes = [2, 3], torch.zeros(2, 4)
    element = BaseDataElement(metainfo={"size": size}, boxes=boxes)
    copied = element.clone()
    assert element.size is not size
    assert copied.size is not element.size
    assert copied.boxes is boxes


def test_a_property_is_one_field():
    sample = Sample()
    sample.gt_instances = InstanceData(labels=torch.arange(3))
    assert sample.keys() == ["gt_instances"]
    assert "gt_instances" in sample
    assert sample.new().gt_instances.labels.tolist() == [0, 1, 2]
    assert len(sample.pop("gt_instances")) == 3
    assert sample.all_keys() == []
    with pytest.raises(TypeError, match="_gt_instances is a int; it must be InstanceData"):
        sample.gt_instances = 3
    assert "gt_instances" not in sample


def test_deleting():
    element = BaseDataElement(metainfo={"a": 1}, b=2, c=3)
    del element.a
    del element["b"]  # type: ignore[attr-defined] # as MMEngine's
    assert element.all_keys() == ["c"]
    assert element.pop("a", None) is None
    with pytest.raises(KeyError, match="neither a metainfo nor a data field"):
        element.pop("a")
    with pytest.raises(TypeError, match="3 arguments"):
        element.pop("a", 1, 2)


def test_update_takes_all_fields_over():
    element = BaseDataElement(metainfo={"a": 1}, b=2)
    element.update(BaseDataElement(metainfo={"a": 3}, c=4))
    assert element.to_dict() == {"a": 3, "b": 2, "c": 4}


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))], ids=["copy", "pickle"]
)
def test_an_element_goes_through_workers(copied):
    sample = Sample(metainfo={"a": 1}, note="n")
    sample.gt_instances = InstanceData(labels=torch.arange(3))
    other = copied(sample)
    assert other.all_keys() == ["a", "note", "gt_instances"]
    assert other.gt_instances.labels.tolist() == [0, 1, 2]


def test_the_order_of_fields_does_not_depend_on_hashes():
    script = "from runner.structures import BaseDataElement as E; print(E(**dict.fromkeys('qwertyuiop')).keys())"
    shown = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert shown == {f"{list('qwertyuiop')}\n"}


def test_fields_of_instances_have_one_length():
    instances = InstanceData(labels=[1, 2, 3])
    with pytest.raises(ValueError, match="scores has 2 values; there are 3 instances"):
        instances.scores = torch.zeros(2)
    with pytest.raises(TypeError, match="no length"):
        instances.scores = 1
    instances["scores"] = torch.zeros(3)
    assert instances["scores"].tolist() == [0, 0, 0]
    assert (len(instances), len(InstanceData())) == (3, 0)


@pytest.mark.parametrize("index", [[], torch.tensor([], dtype=torch.int64), np.array([], dtype=bool)], ids=str)
def test_no_instances_are_picked(index):
    instances = InstanceData(metainfo={"a": 1}, labels=torch.arange(3), names=["a", "b", "c"], codes="xyz")
    if isinstance(index, np.ndarray):
        index = np.zeros(3, dtype=bool)
    picked = instances[index]
    assert (picked.labels.tolist(), picked.names, picked.codes, picked.a) == ([], [], "", 1)


@pytest.mark.parametrize("index", [1.0, None, torch.tensor([0.5]), np.array(["a"]), (0, 1)], ids=str)
def test_an_index_that_is_none(index):
    with pytest.raises(TypeError, match="InstanceData"):
        InstanceData(labels=torch.arange(3))[index]


def test_an_index_may_be_numpys():
    instances = InstanceData(labels=torch.arange(3))
    assert instances[np.int64(1)].labels.tolist() == [1]
    assert instances[torch.tensor([2, 0], dtype=torch.int32)].labels.tolist() == [2, 0]


def test_what_cannot_be_joined():
    one, other = InstanceData(labels=[1]), InstanceData(scores=[1])
    with pytest.raises(ValueError, match="number 1 differs from the first in the fields labels, scores"):
        InstanceData.cat([one, other])
    with pytest.raises(ValueError, match="empty"):
        InstanceData.cat([])
    with pytest.raises(TypeError, match="static method `cat`"):
        InstanceData.cat([InstanceData(a={1}), InstanceData(a={2})])
    assert InstanceData.cat([one]) is one
    joined = InstanceData.cat([one, one])
    assert (joined.labels, one.labels) == ([1, 1], [1])


def test_maps_have_one_shape():
    maps = PixelData(depth=torch.zeros(3, 4))
    assert (maps.depth.shape, maps.shape, PixelData().shape) == ((1, 3, 4), (3, 4), None)
    with pytest.raises(ValueError, match=r"\(4, 4\) high and wide; the other maps are \(3, 4\)"):
        maps.other = np.zeros((1, 4, 4))
    with pytest.raises(ValueError, match="4 dimensions"):
        maps.other = np.zeros((1, 1, 3, 4))
    with pytest.raises(TypeError, match="a map is a tensor or an array"):
        maps.other = [1]
    with pytest.raises(TypeError, match="indexed by"):
        maps[1]
    with pytest.raises(IndexError, match="pixel 7"):
        maps[7, 0]


def test_a_label_that_is_no_class():
    with pytest.raises(ValueError, match="label 4, and num_classes is 4"):
        LabelData.label_to_onehot(torch.tensor([4]), 4)
    with pytest.raises(ValueError, match="from 0 to 1"):
        LabelData.onehot_to_label(torch.tensor([2]))
