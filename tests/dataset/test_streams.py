from __future__ import annotations

import random
import struct

import numpy as np
import pytest
import torch

from runner.dataset import Streams, key, key_generators, set_random_seed
from runner.dataset.streams import Keys


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_keys_differ_in_every_part():
    base = (1, 2, 3, 4, "data")
    others = [
        (9, 2, 3, 4, "data"),
        (1, 9, 3, 4, "data"),
        (1, 2, 9, 4, "data"),
        (1, 2, 3, 9, "data"),
        (1, 2, 3, 4, "step"),
    ]
    assert len({key(*parts) for parts in (base, *others)}) == 6
    assert key(*base) == key(*base)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**64 - 1, 2**70])
def test_any_integer_is_a_seed(seed):
    key_generators(key(seed, 0, 0, 0, "data"))
    first = draw()
    draw()
    key_generators(key(seed, 0, 0, 0, "data"))
    assert draw() == first


def steps(streams, count, between=lambda: None):
    drawn = []
    for iteration in range(count):
        between()
        streams.enter_step(iteration)
        drawn.append(draw())
        streams.leave_step()
        between()
    return drawn


def test_seeds_that_are_worked_out_ahead_are_those_of_the_key():
    keys = Keys(3, 5, 1, "data")
    for index in (0, 1, 63, 64, 200, 130, 131, 0):
        assert struct.pack("<QQI", *keys.at(index)) == key(3, 5, 1, index, "data")


def test_a_key_seeds_as_the_generators_own_seed_does():
    random.gauss(0, 1)
    key_generators(struct.pack("<QQI", 2**63 + 5, 6, 7))
    drawn = [random.gauss(0, 1), random.gauss(0, 1), random.getstate()], np.random.normal(), torch.rand(2)
    random.seed(2**63 + 5)
    np.random.seed(7)
    torch.manual_seed(6)
    assert drawn[0] == [random.gauss(0, 1), random.gauss(0, 1), random.getstate()]
    assert drawn[1] == np.random.normal()
    assert torch.equal(drawn[2], torch.rand(2))


def test_numpys_generator_may_be_another_one():
    own = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64())
    try:
        drawn = []
        for _ in range(2):
            key_generators(key(3, 0, 0, 7, "data"))
            drawn.append(np.random.rand())
        assert drawn[0] == drawn[1]
    finally:
        np.random.set_bit_generator(own)


def test_what_is_drawn_between_steps_changes_nothing():
    torch.manual_seed(5)
    plain = Streams(1)
    plain.capture()
    expected = steps(plain, 4)
    torch.manual_seed(5)
    disturbed = Streams(1)
    disturbed.capture()
    assert steps(disturbed, 4, between=draw) == expected


def test_torchs_stream_is_that_of_a_bare_loop():
    torch.manual_seed(5)
    bare = [float(torch.rand(())) for _ in range(3)]
    torch.manual_seed(5)
    assert [torch_number for _, _, torch_number in steps(Streams(1), 3)] == bare


def test_ranks_draw_differently():
    assert steps(Streams(1, rank=0), 1)[0][:2] != steps(Streams(1, rank=1), 1)[0][:2]


def test_phases_are_keyed_and_leave_the_stream_alone():
    torch.manual_seed(5)
    expected = steps(Streams(1), 2)
    torch.manual_seed(5)
    streams = Streams(1)
    first = steps(streams, 1)
    streams.enter_phase("val", 1)
    seen = draw()
    streams.enter_step(1)
    second = [draw()]
    assert first + second == expected
    draw()
    streams.enter_phase("val", 1)
    assert draw() == seen
    streams.enter_phase("val", 2)
    assert draw() != seen


def test_the_state_goes_on_where_it_was(tmp_path):
    streams = Streams(1)
    steps(streams, 2)
    torch.save(streams.state_dict(), tmp_path / "state")
    streams.enter_step(2)
    expected = draw()
    other = Streams(1)
    torch.manual_seed(0)
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    other.enter_step(2)
    assert draw() == expected


def test_set_random_seed():
    assert set_random_seed(7) == 7
    first = draw()
    assert set_random_seed(7, diff_rank_seed=True) == 7
    assert draw() == first
    np.random.seed(1)
    drawn = set_random_seed()
    np.random.seed(1)
    assert set_random_seed() == drawn


def test_deterministic_algorithms():
    try:
        set_random_seed(7, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
