from __future__ import annotations

import unittest

import numpy as np
import pytest
import torch
from torch import nn

from runner import Hook, testing
from runner.registry import MODELS


class Steps(Hook):
    def __init__(self):
        self.count = 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.count += 1


class TestSteps(testing.RunnerTestCase):
    """As a package of OpenMMLab tests a hook."""

    def test_epochs(self):
        steps = Steps()
        runner = self.build_runner(self.epoch_based_cfg)
        runner.register_hook(steps)
        runner.train()
        runner.close()
        assert (steps.count, runner.epoch) == (8, 2)

    def test_iterations(self):
        runner = self.build_runner(self.iter_based_cfg)
        runner.train()
        assert runner.test() == {"acc": 1.0}
        runner.close()
        self.clear_work_dir()
        assert runner.iter == 12


def test_a_case_leaves_nothing_behind():
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(TestSteps).run(outcome)
    assert (outcome.testsRun, outcome.errors, outcome.failures) == (2, [], [])
    assert MODELS.get("ToyModel") is None


def test_close_values():
    testing.assert_allclose(torch.tensor([1.0, float("nan")]), [1.0, float("nan")])
    testing.assert_allclose(np.float64(1), torch.tensor(1.0))
    with pytest.raises(AssertionError, match="said so"):
        testing.assert_allclose(1.0, 1.1, msg="said so")


def test_what_is_asserted_is_returned():
    arrays = {"a": np.arange(2), "b": torch.arange(2), "c": 1}
    assert testing.assert_dict_contains_subset(arrays, {"a": np.arange(2), "c": 1})
    assert not testing.assert_dict_contains_subset(arrays, {"b": torch.ones(2)})
    assert not testing.assert_dict_contains_subset(arrays, {"d": 1})
    linear = nn.Linear(2, 1)
    assert testing.assert_attrs_equal(linear, {"in_features": 2})
    assert not testing.assert_attrs_equal(linear, {"in_features": 3})
    assert testing.assert_dict_has_keys(arrays, ["a"])
    assert not testing.assert_keys_equal(arrays, ["a"])
    assert testing.assert_is_norm_layer(nn.GroupNorm(1, 1))
    assert not testing.assert_params_all_zeros(linear)
    assert testing.assert_params_all_zeros(
        nn.utils.skip_init(nn.Linear, 1, 1).apply(lambda each: [nn.init.zeros_(p) for p in each.parameters()])
    )
