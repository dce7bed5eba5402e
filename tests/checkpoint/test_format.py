from __future__ import annotations

import datetime as dt
import enum
import io
import math
import random
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from runner.checkpoint import to_plain
from runner.errors import CheckpointError

Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - what users have


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Options:
    rate: float = 0.5


def through_a_file(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -5,
        2**2038,
        1.5,
        math.inf,
        1j,
        "text \ud800",
        b"\xff",
        bytearray(b"x"),
        [1, [2]],
        (1, (2, None)),
        {1, "a"},
        {"a": {1: 2.0}, (1, None): "b", None: 0},
        OrderedDict(b=1, a=2),
        Counter("aab"),
        torch.Size([2, 3]),
        torch.float16,
        torch.device("cpu"),
        random.Random(1).getstate(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_data_comes_back_as_it_was(value):
    read = through_a_file(to_plain(value, "test"))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(1.5), 1.5),
        (np.float64(2.5), 2.5),
        (np.int64(3), 3),
        (np.uint8(4), 4),
        (np.bool_(True), True),
        (np.complex128(1j), 1j),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        ({np.int64(7): [np.float16(0.5)]}, {7: [0.5]}),
        ({np.int32(1)}, {1}),
    ],
)
def test_numpy_scalars_become_python_numbers(value, plain):
    read = through_a_file(to_plain(value, "test"))
    assert read == plain
    assert type(read) is type(plain)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.arange(6)[::-2],
        np.arange(3, dtype=">i4"),
        np.array(2.5),
        np.zeros((0, 2), np.float32),
        np.array([True, False]),
    ],
    ids=["matrix", "transposed", "backwards", "big-endian", "zero-dim", "empty", "bool"],
)
def test_numpy_arrays_become_tensors(array):
    plain = to_plain(array, "test")
    assert torch.equal(
        through_a_file(plain),
        torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)),
    )
    array.flags.writeable = False  # a copy was taken: the hook may go on changing its own
    assert not array.size or plain.data_ptr() != array.ctypes.data


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Path("/a"), "store str(value)"),
        (Colour.RED, "store value.value"),
        (Level.LOW, "store value.value"),
        (Pair(1, 2), "store tuple(value)"),
        (Options(), "store dataclasses.asdict(value)"),
        (dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), "store str(value)"),
        (defaultdict(list), "store dict(value)"),
        (frozenset({1}), "store set(value)"),
        (range(3), "store list(value)"),
        (nn.Linear(1, 1), "store value.state_dict()"),
        (np.array(["a"]), "store value.tolist()"),
        (np.array([object()]), "store value.tolist()"),
        (np.datetime64("2020-01-01"), "NumPy scalar of type datetime64"),
        (print, "builtin_function_or_method"),
        (2**2039, "store str(value)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_back_is_refused_by_name(value, hint):
    with pytest.raises(CheckpointError) as caught:
        to_plain({"fine": 1, "mine": [0, {"x": value}]}, "hook MyHook")
    message = str(caught.value)
    assert "hook MyHook" in message
    assert "checkpoint['mine'][1]['x']" in message
    assert hint in message


@pytest.mark.parametrize("value", [{Path("/a"): 1}, {Path("/a")}, {torch.ones(1): 1}])
def test_keys_must_be_plain_too(value):
    with pytest.raises(CheckpointError, match=r"checkpoint\['x'\] has a key or an item"):
        to_plain({"x": value}, "test")


def test_all_places_are_named_at_once():
    with pytest.raises(CheckpointError) as caught:
        to_plain({"a": Path("/a"), "b": [print], "c": 1}, "test")
    assert "checkpoint['a']" in str(caught.value)
    assert "checkpoint['b'][0]" in str(caught.value)


def test_a_circle_and_absurd_depth_are_errors():
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(CheckpointError, match="contains itself"):
        to_plain({"x": circle}, "test")
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="levels deep"):
        to_plain({"x": deep}, "test")


def test_what_stands_in_two_places_stays_one_object():
    shared = [1]
    read = through_a_file(to_plain({"a": shared, "b": shared}, "test"))
    assert read["a"] is read["b"]


def test_a_state_dict_keeps_its_layer_versions():
    state_dict = nn.BatchNorm1d(2).state_dict()
    read = through_a_file(to_plain(state_dict, "test"))
    assert read._metadata == state_dict._metadata
    assert type(read) is OrderedDict


def test_tensors_are_detached_and_views_do_not_drag_their_base_along():
    parameter = nn.Parameter(torch.ones(2))
    plain = to_plain({"p": parameter, "view": torch.arange(1000)[:2]}, "test")
    assert type(plain["p"]) is torch.Tensor
    assert not plain["p"].requires_grad
    assert plain["p"].data_ptr() == parameter.data_ptr()
    assert plain["view"].untyped_storage().nbytes() == 16
    assert plain["view"].tolist() == [0, 1]
