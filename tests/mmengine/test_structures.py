"""Structures against MMEngine's, with the same calls made to both."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

pytest.importorskip("mmengine")

from mmengine import structures as theirs

from runner import structures as ours


class Boxes:
    """A type of a user's own that can be sliced and joined."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, item):
        return Boxes(self.values[item])

    @staticmethod
    def cat(items):
        return Boxes([value for item in items for value in item.values])


def plain(value):
    """What an element holds, to compare."""
    if hasattr(value, "metainfo"):
        return {"meta": plain(value.metainfo), "data": plain(dict(value.items()))}
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, torch.Tensor):
        return ("tensor", str(value.dtype), tuple(value.shape), value.tolist(), value.requires_grad)
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, value.tolist())
    return value.values if isinstance(value, Boxes) else value


def instances(module):
    return module.InstanceData(
        metainfo={"img_shape": (8, 9)},
        bboxes=torch.arange(20.0).reshape(5, 4),
        scores=np.linspace(0, 1, 5),
        names=["a", "b", "c", "d", "e"],
        codes="vwxyz",
        pairs=(1, 2, 3, 4, 5),
        boxes=Boxes([1, 2, 3, 4, 5]),
    )


INDICES = [
    0,
    -1,
    slice(1, 4),
    slice(None, None, 2),
    [0, 2],
    [True, False, True, False, False],
    torch.tensor([3, 1]),
    torch.tensor([-1, 0]),
    torch.tensor([True, True, False, False, True]),
    torch.zeros(5, dtype=torch.bool),
    np.array([4, 0], dtype=np.int32),
    np.array([False, True, False, False, False]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_instances_are_picked_alike(index):
    assert plain(instances(ours)[index]) == plain(instances(theirs)[index])


@pytest.mark.parametrize("index", [5, -6, torch.tensor([True, False]), torch.tensor([[0]])], ids=str)
def test_what_one_refuses_the_other_does_too(index):
    for module in (ours, theirs):
        with pytest.raises((IndexError, ValueError, AssertionError)):
            instances(module)[index]


def test_instances_are_joined_alike():
    joined = [module.InstanceData.cat([instances(module), instances(module)[1:3]]) for module in (ours, theirs)]
    assert plain(joined[0]) == plain(joined[1])
    assert len(joined[0]) == len(joined[1]) == 7


def element(module):
    return module.BaseDataElement(
        metainfo={"img_id": 1, "size": [2, 3]},
        boxes=torch.ones(2, 4, requires_grad=True) * 2,
        array=np.arange(3),
        note="n",
        inner=module.InstanceData(metainfo={"deep": 1}, labels=torch.tensor([1, 2])),
    )


CALLS = {
    "new": lambda each: each.new(),
    "new with data": lambda each: each.new(metainfo={"other": 1}, scores=torch.ones(1)),
    "clone": lambda each: each.clone(),
    "to": lambda each: each.to(torch.float16),
    "cpu": lambda each: each.cpu(),
    "detach": lambda each: each.detach(),
    "numpy": lambda each: each.numpy(),
    "to_tensor": lambda each: each.to_tensor(),
    "to_dict": lambda each: each.to_dict(),
    "keys": lambda each: [sorted(each.keys()), sorted(each.metainfo_keys()), sorted(each.all_keys())],
    "numbers": lambda each: [len(each.values()), len(each.metainfo_values()), len(each.all_values())],
    "get": lambda each: [each.get("note"), each.get("none", 3), each.get("img_id")],
    "pop": lambda each: [each.pop("note"), each.pop("img_id"), each.pop("none", 4), sorted(each.all_keys())],
    "contains": lambda each: ["note" in each, "img_id" in each, "none" in each],
    "type": lambda each: type(each.inner).__name__,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_the_same(name):
    assert plain(CALLS[name](element(ours))) == plain(CALLS[name](element(theirs)))


def test_an_element_is_shown_alike():
    def text(module):
        sample = module.BaseDataElement(
            metainfo={"img_shape": (8, 9)}, gt=module.InstanceData(metainfo={"a": 1}, labels=torch.arange(3))
        )
        return re.sub("0x[0-9a-f]+", "0x", repr(sample))

    assert text(ours) == text(theirs)


@pytest.mark.parametrize("index", [(1, 2), (slice(0, 2), slice(1, None)), (-1, slice(None))], ids=str)
def test_maps_are_cut_alike(index):
    cut = [
        module.PixelData(image=torch.arange(24).reshape(2, 3, 4), depth=np.arange(12).reshape(1, 3, 4))[index]
        for module in (ours, theirs)
    ]
    assert plain(cut[0]) == plain(cut[1])
    assert cut[0].shape == cut[1].shape


def test_labels_are_turned_alike():
    for label in (torch.tensor([1, 3]), torch.tensor([0]), torch.tensor([], dtype=torch.int64)):
        vectors = [module.LabelData.label_to_onehot(label, 4) for module in (ours, theirs)]
        assert plain(vectors[0]) == plain(vectors[1])
        back = [module.LabelData.onehot_to_label(vectors[0]) for module in (ours, theirs)]
        assert plain(back[0]) == plain(back[1])
