from __future__ import annotations

import re

import numpy as np
import pytest

from runner.logging import LogProcessor


def record(runner, mode="train"):
    hub = runner.message_hub
    for loss, time in ((1.0, 0.5), (2.0, 0.25), (4.0, 0.75)):
        hub.update_scalar(f"{mode}/loss", loss)
        hub.update_scalar(f"{mode}/time", time)
        hub.update_scalar(f"{mode}/data_time", time / 10)
        hub.update_scalar(f"{mode}/acc", loss / 8)
    hub.update_scalar(f"{mode}/lr", 0.01)
    hub.update_info("eta", 3661.5)


def test_a_line_of_training(runner):
    record(runner)
    runner.iter = 2
    tag, line = runner.log_processor.get_log_after_iter(runner, 2, "train")
    assert re.fullmatch(
        r"Epoch\(train\) \[1\]\[3/4\]  lr: 1.0000e-02  eta: 1:01:01  time: 0.5000  data_time: 0.0500  memory: \d+"
        r"  loss: 3.0000  acc: 0.5000",
        line,
    )
    memory = tag.pop("memory")
    assert memory > 0
    assert tag == {"loss": 3.0, "time": 0.5, "data_time": 0.05, "acc": 0.5, "lr": 0.01, "epoch": 1, "iter": 3}


def test_a_scalar_may_be_begun_anew(runner):
    processor, hub = LogProcessor(), runner.message_hub
    hub.update_scalar("train/loss", 1.0)
    before = processor.get_tag_later(runner, 0, "train")
    del hub.log_scalars["train/loss"]
    hub.update_scalar("train/loss", 5.0)
    after = processor.get_tag_later(runner, 1, "train")
    assert (before()["loss"], after()["loss"]) == (1, 5)


def test_a_line_of_training_by_iterations(runner):
    record(runner)
    runner.iter, runner.max_iters = 2, 100
    tag, line = LogProcessor(by_epoch=False).get_log_after_iter(runner, 2, "train")
    assert line.startswith("Iter(train) [  3/100]  lr: 1.0000e-02  ")
    assert "epoch" not in tag


@pytest.mark.parametrize(
    ("by_epoch", "mode", "header"),
    [
        (True, "val", "Epoch(val) [1][4/4]    "),
        (True, "test", "Epoch(test) [4/4]    "),
        (False, "val", "Iter(val) [4/4]    "),
        (False, "test", "Iter(test) [4/4]    "),
    ],
)
def test_a_line_after_an_evaluation_ends_with_the_times_over_all_of_it(runner, by_epoch, mode, header):
    record(runner, mode)
    runner.epoch = 1
    tag, line = LogProcessor(by_epoch=by_epoch).get_log_after_epoch(runner, 4, mode)
    assert line == f"{header}loss: 2.3333  acc: 0.5000  lr: 0.0100  time: 0.5000  data_time: 0.0500"
    assert list(tag)[-2:] == ["time", "data_time"]


def test_a_line_within_a_validation(runner):
    record(runner, "val")
    tag, line = runner.log_processor.get_log_after_iter(runner, 1, "val")
    assert line.startswith("Epoch(val) [0][2/4]  lr: 1.0000e-02  eta: 1:01:01  time: 0.5000")
    assert "loss: 3.0000" in line
    assert "acc" not in line
    assert tag["acc"] == 0.5


def test_epochs_are_aligned_to_the_last_one(runner):
    record(runner)
    runner.max_epochs = 100
    assert runner.log_processor.get_log_after_iter(runner, 0, "train")[1].startswith("Epoch(train)   [1][1/4]")


def test_values_can_be_logged_in_another_way(runner):
    record(runner)
    runner.message_hub.start_epoch("train")
    runner.message_hub.update_scalar("train/loss", 8.0)
    processor = LogProcessor(
        window_size=2,
        custom_cfg=[
            {"data_src": "loss", "log_name": "loss_max", "method_name": "max", "window_size": "global"},
            {"data_src": "loss", "method_name": "mean", "window_size": "epoch"},
            {"data_src": "acc", "method_name": "mean", "window_size": "epoch", "log_name": "epoch_acc"},
            {"data_src": "time", "method_name": "min", "window_size": 3},
        ],
    )
    tag, _ = processor.get_log_after_iter(runner, 0, "train")
    assert (tag["loss_max"], tag["loss"], tag["time"]) == (8.0, 8.0, 0.25)
    # No accuracy was recorded in this epoch yet.
    assert "epoch_acc" not in tag


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"custom_cfg": [{"data_src": "loss"}]}, r"custom_cfg\[0\] lacks \['method_name'\]"),
        ({"custom_cfg": [{"data_src": "a", "method_name": "mean", "x": 1}]}, r"unknown keys \['x'\]"),
        ({"custom_cfg": [{"data_src": "a", "method_name": "mean"}] * 2}, "'a' for the second time"),
        (
            {"by_epoch": False, "custom_cfg": [{"data_src": "a", "method_name": "mean", "window_size": "epoch"}]},
            "by_epoch is False",
        ),
    ],
)
def test_mistakes_in_custom_cfg_are_found_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogProcessor(**arguments)


def test_the_mode_can_stand_before_each_name(runner):
    record(runner, "val")
    tag, line = LogProcessor(log_with_hierarchy=True).get_log_after_epoch(runner, 4, "val")
    assert list(tag) == ["val/loss", "val/acc", "val/lr", "val/time", "val/data_time"]
    assert "val/loss: 2.3333" in line
    tag, _ = LogProcessor(log_with_hierarchy=True).get_log_after_iter(runner, 0, "val")
    assert {"val/loss", "iter", "epoch"} <= tag.keys()


def test_digits_and_pattern(runner):
    record(runner)
    processor = LogProcessor(window_size=2, num_digits=1, mean_pattern="acc")
    tag, line = processor.get_log_after_iter(runner, 0, "train")
    assert (tag["loss"], tag["acc"]) == (4.0, 0.375)
    assert "loss: 4.0" in line
    assert "lr: 1.0e-02" in line


def test_metrics_that_are_no_single_number_begin_on_a_line_of_their_own(runner):
    runner.message_hub.update_info("test/matrix", np.eye(2))
    tag, line = runner.log_processor.get_log_after_epoch(runner, 4, "test", with_non_scalar=True)
    assert "matrix: \n[[1. 0.]\n [0. 1.]]\n" in line
    assert tag["matrix"].shape == (2, 2)
    tag, _ = runner.log_processor.get_log_after_epoch(runner, 4, "test")
    assert not tag


def test_a_loader_that_does_not_know_its_length(runner):
    record(runner)
    runner.train_dataloader = object()
    assert "[1][3/?]" in runner.log_processor.get_log_after_iter(runner, 2, "train")[1]
