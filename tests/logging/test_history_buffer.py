from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from runner.logging import HistoryBuffer


class Calls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket._qualified_op_name)
        return func(*args, **(kwargs or {}))


def test_statistics_over_windows():
    buffer = HistoryBuffer([4.0, 1.0, 3.0, 2.0])
    assert buffer.mean() == buffer.mean("global") == buffer.mean(9) == 2.5
    assert buffer.mean(2) == 2.5
    assert (buffer.max(), buffer.max(3), buffer.min(), buffer.min(1), buffer.current()) == (4, 3, 1, 2, 2)
    assert buffer.statistics("mean", window_size=3) == 2.0
    assert len(buffer) == 4


def test_a_mean_is_weighted_by_the_counts():
    buffer = HistoryBuffer()
    buffer.update(6.0, 3)
    buffer.update(2.0)
    buffer.update(9.0, 1)
    assert buffer.mean(2) == 5.5
    assert buffer.mean() == 17 / 5
    assert [each.tolist() for each in buffer.data] == [[6, 2, 9], [3, 1, 1]]


def test_an_epoch_begins_anew():
    buffer = HistoryBuffer([1.0, 2.0])
    buffer.start_epoch()
    assert not buffer.has("epoch")
    with pytest.raises(ValueError, match="nothing was recorded yet in this window"):
        buffer.mean("epoch")
    buffer.update(torch.tensor(5.0))
    buffer.update(7.0)
    assert (buffer.mean("epoch"), buffer.min("epoch"), buffer.max("epoch")) == (6, 5, 7)
    assert buffer.mean("global") == 15 / 4
    buffer.update(100.0)
    buffer.start_epoch()
    buffer.update(1.0)
    assert buffer.mean("epoch") == 1


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (np.array([2]), 2.0),
        (torch.tensor([[1.5]]), 1.5),
        (torch.tensor(2**40), 2.0**40),
        (torch.tensor(1.0, requires_grad=True), 1.0),
        (torch.ones(3, requires_grad=True)[1], 1.0),
        (torch.tensor(0.1, dtype=torch.bfloat16), 0.10009765625),
    ],
)
def test_anything_that_holds_one_number_is_recorded(value, number):
    buffer = HistoryBuffer()
    buffer.update(value)
    assert buffer.current() == number
    assert type(buffer.current()) is float


@pytest.mark.parametrize(
    ("value", "error"),
    [("x", TypeError), (None, TypeError), (torch.ones(2), ValueError), (np.zeros(0), ValueError)],
)
def test_anything_else_is_refused(value, error):
    with pytest.raises(error, match="a scalar is recorded from"):
        HistoryBuffer().update(value)


def test_a_tensor_that_changes_afterwards_was_recorded_as_it_was():
    value = torch.zeros(3)
    buffer = HistoryBuffer()
    for step in range(3):
        value.fill_(step)
        buffer.update(value[0])
    assert buffer.data[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("on_device", [False, True])
def test_tensors_of_different_types_are_read_together_exactly(of_device, on_device):
    buffer = HistoryBuffer()
    for value in (torch.tensor(2**24 + 1), torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64)):
        buffer.update(of_device(value) if on_device else value)
    buffer.update(0.1)
    assert buffer.data[0].tolist() == [2**24 + 1, np.float32(0.1), 0.1, 0.1]


def test_nothing_is_read_before_it_is_needed(of_device):
    buffer = HistoryBuffer()
    with Calls() as calls:
        for step in range(50):
            loss = torch.tensor(float(step), requires_grad=True) * 2
            buffer.update(loss if step < 25 else of_device(loss))
    assert not {"aten::_local_scalar_dense", "aten::item"} & set(calls.names)
    with Calls() as calls:
        assert buffer.mean(10) == 89
    assert calls.names.count("aten::stack") + calls.names.count("aten::cat") == 1
    assert calls.names.count("aten::_local_scalar_dense") == 25  # of those on the CPU, for which nothing is waited


def test_memory_is_bounded_when_nobody_reads():
    buffer = HistoryBuffer(max_length=10)
    for step in range(10_000):
        buffer.update(torch.tensor(float(step)))
    assert len(buffer._new_values) < 5000
    assert len(buffer.data[0]) == 10
    assert buffer.mean() == 9999 / 2


def test_a_window_beyond_what_is_kept_is_an_error_that_says_what_to_do():
    buffer = HistoryBuffer(range(20), max_length=10)
    with pytest.raises(ValueError, match=r"window of 11 .* 10 values .* message_hub.reserve"):
        buffer.mean(11)
    buffer.reserve(30)
    for step in range(20):
        buffer.update(step)
    assert buffer.mean(30) == (sum(range(10, 20)) + sum(range(20))) / 30


@pytest.mark.parametrize("max_length", [50, 600])
def test_the_past_is_what_it_was(max_length):
    values = torch.rand(1300, generator=torch.Generator().manual_seed(0))
    now, later = HistoryBuffer(max_length=max_length), HistoryBuffer(max_length=max_length)
    seen, marks = [], []
    for step, value in enumerate(values):
        for buffer in (now, later):
            buffer.update(value, step % 3 + 1)
        if step % 9 == 0:
            seen.append((now.mean(20), now.current()))
            marks.append(later.recorded)
        if step % 27 == 0:
            assert [(later.past_mean(20, mark), later.past_value(mark)) for mark in marks] == seen
            seen, marks = [], []
    with pytest.raises(ValueError, match="value number 1 is not kept any more"):
        later.past_value(1)


def test_a_window_that_was_widened_takes_what_is_kept():
    buffer = HistoryBuffer(range(600), max_length=10)
    buffer.reserve(1000)
    assert buffer.mean(20) == sum(range(590, 600)) / 10
    assert buffer.mean(700) == sum(range(600)) / 600


@pytest.mark.parametrize("window", [0, -1, "week"])
def test_windows_that_make_no_sense_are_refused(window):
    with pytest.raises(ValueError, match="window"):
        HistoryBuffer([1.0]).mean(window)


def test_what_is_no_number_stays_so():
    buffer = HistoryBuffer([1.0, math.nan, 2.0])
    assert all(math.isnan(each) for each in (buffer.mean(), buffer.max(), buffer.min(2)))
    assert buffer.max(1) == 2
    buffer = HistoryBuffer([math.inf, -math.inf])
    assert (buffer.max(), buffer.min()) == (math.inf, -math.inf)


@pytest.mark.parametrize("read_every", [1, 3, 1000])
def test_statistics_are_equal_bit_for_bit_after_a_resume_whenever_it_was_read(read_every):
    values = torch.rand(200, generator=torch.Generator().manual_seed(0))
    straight, cut = HistoryBuffer(max_length=50), HistoryBuffer(max_length=50)
    for step, value in enumerate(values):
        straight.update(value)
        cut.update(value)
        if step == 90:
            straight.start_epoch()
            cut.start_epoch()
        if step == 123:
            state = json.loads(json.dumps(cut.state_dict()))
            cut = HistoryBuffer(max_length=50)
            cut.load_state_dict(state)
        if step % read_every == 0:
            cut.mean()
    for window in (7, 50, "epoch", "global"):
        for name in ("mean", "min", "max"):
            assert straight.statistics(name, window) == cut.statistics(name, window)
    assert straight.state_dict() == cut.state_dict()


def test_statistics_can_be_added():
    @HistoryBuffer.register_statistics
    def spread(buffer, window_size):
        return float(np.ptp(buffer._log_history[-window_size:]))

    try:
        assert HistoryBuffer([1.0, 5.0, 4.0]).statistics("spread", window_size=2) == 1
    finally:
        del HistoryBuffer._statistics["spread"]
    with pytest.raises(KeyError, match="no statistic 'spread'"):
        HistoryBuffer([1.0]).statistics("spread")
