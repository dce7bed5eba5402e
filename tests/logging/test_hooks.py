"""The three hooks that record and show, on what they see of a Runner."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from runner import fileio
from runner.errors import BuildError
from runner.hooks import HookList, IterTimerHook, LoggerHook, RuntimeInfoHook
from runner.logging import Console, LogProcessor, MessageHub
from runner.optim import OptimWrapper
from runner.visualization import LocalVisBackend, Visualizer


@pytest.fixture
def training(runner):
    weight = torch.nn.Parameter(torch.ones(3))
    runner.optim_wrapper = OptimWrapper(torch.optim.SGD([weight], lr=0.5))
    return Training(runner, weight)


def lines_of(runner, name):
    return [json.loads(line) for line in Path(runner.log_dir, name).read_text().splitlines()]


class Training:
    """Calls the hooks as a training of 2 epochs of 4 steps does; the loss of step n is 3n."""

    def __init__(self, runner, weight):
        self.runner = runner
        self.weight = weight

    def hooks(self, **logger):
        self.list = HookList([RuntimeInfoHook(), IterTimerHook(), LoggerHook(**{"interval": 2, **logger})])
        return self

    def call(self, point, **arguments):
        self.list.call(self.runner, point, **arguments)

    def begin(self):
        self.call("before_run")
        self.call("before_train")
        return self

    def step(self, batch_idx):
        self.call("before_train_iter", batch_idx=batch_idx, data_batch=None)
        loss = (self.weight * (self.runner.iter + 1)).sum()
        outputs = {"loss": loss, "acc": torch.tensor(0.5)}
        self.call("after_train_iter", batch_idx=batch_idx, data_batch=None, outputs=outputs)
        self.runner.iter += 1

    def epoch(self, steps=range(4)):
        self.call("before_train_epoch")
        for batch_idx in steps:
            self.step(batch_idx)
        self.call("after_train_epoch")
        self.runner.epoch += 1

    def validate(self, metrics):
        self.call("before_val")
        self.call("before_val_epoch")
        for batch_idx in range(4):
            self.call("before_val_iter", batch_idx=batch_idx, data_batch=None)
            self.call("after_val_iter", batch_idx=batch_idx, data_batch=None, outputs=None)
        self.call("after_val_epoch", metrics=metrics)
        self.call("after_val")

    def end(self):
        self.call("after_train")
        self.call("after_run")

    @property
    def rows(self):
        return lines_of(self.runner, "vis_data/scalars.json")

    @property
    def screen(self):
        return self.runner.logger.console.stream.getvalue()


def test_a_training_is_recorded_and_written(training):
    training.hooks().begin()
    training.epoch()
    training.validate({"acc": 0.75, "matrix": torch.eye(2)})
    training.epoch()
    training.end()
    train = [row for row in training.rows if "iter" in row]
    assert [(row["step"], row["loss"], row["lr"], row["epoch"]) for row in train] == [
        (2, 4.5, 0.5, 1),
        (4, 10.5, 0.5, 1),
        (6, 16.5, 0.5, 2),
        (8, 22.5, 0.5, 2),
    ]
    (val,) = [row for row in training.rows if "iter" not in row]
    assert val["step"] == 1
    assert val["acc"] == 0.75
    assert list(val)[-3:] == ["data_time", "time", "step"]
    hub = training.runner.message_hub
    assert hub.get_scalar("val/acc").current() == 0.75
    assert hub.get_info("val/matrix").tolist() == [[1, 0], [0, 1]]
    assert hub.get_info("experiment_name") == "toy"
    assert (hub.get_info("max_iters"), hub.get_info("iter"), hub.get_info("seed")) == (8, 7, 3)
    assert hub.get_info("loop_stage") is None
    assert hub.get_info("dataset_meta") == {"classes": ["a"]}
    assert lines_of(training.runner, "vis_data/20260101_000000.json") == training.rows


def test_the_stage_is_known_while_it_lasts(training):
    training.hooks().begin()
    info = training.runner.message_hub.get_info
    assert info("loop_stage") == "train"
    training.call("before_val")
    assert info("loop_stage") == "val"
    training.call("after_val")
    assert info("loop_stage") == "train"
    training.call("after_train")
    training.call("before_test")
    assert info("loop_stage") == "test"
    training.call("after_test")
    training.call("before_val")
    training.call("after_val")
    assert info("loop_stage") is None


def test_rates_of_several_groups(training):
    first, second = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.2}], lr=0.5)
    training.runner.optim_wrapper = OptimWrapper(optimizer)
    training.runner.optim_wrapper.base_param_settings = {"lr": 0.5}
    training.hooks().begin()
    training.epoch()
    assert (training.rows[0]["lr"], training.rows[0]["base_lr"]) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("arguments", "steps", "written"),
    [
        ({"interval": 3}, 4, [3]),
        ({"interval": 3, "ignore_last": False}, 4, [3, 4]),
        ({"interval": 10}, 4, [4]),
    ],
)
def test_lines_at_an_epochs_end(training, arguments, steps, written):
    training.hooks(**arguments).begin()
    training.epoch(range(steps))
    assert [row["step"] for row in training.rows] == written


def test_scalars_are_in_the_file_before_a_checkpoint_is(training):
    training.hooks(interval=1, min_line_seconds=1000.0).begin()
    training.call("before_train_epoch")
    training.step(0)
    training.step(1)
    training.step(2)
    assert [row["step"] for row in training.rows] == [1]
    assert training.screen.count("Epoch(train)") == 1
    training.call("before_save_checkpoint", checkpoint={})
    assert [row["step"] for row in training.rows] == [1, 2, 3]


@pytest.mark.parametrize("custom_cfg", [None, [{"data_src": "loss", "method_name": "max", "window_size": "epoch"}]])
@pytest.mark.parametrize("reads", [False, True])
def test_what_is_worked_out_later_is_what_it_was(training, custom_cfg, reads):
    rows = []
    for seconds in (0.0, 1000.0):
        fresh = Training(copy.copy(training.runner), torch.nn.Parameter(torch.rand(3, generator=torch.Generator())))
        fresh.runner.log_dir += f"-{seconds}"
        fresh.runner.visualizer = Visualizer(vis_backends=[LocalVisBackend()], save_dir=fresh.runner.log_dir)
        fresh.runner.message_hub = MessageHub(max_length=20)
        fresh.runner.log_processor = LogProcessor(window_size=7, custom_cfg=custom_cfg)
        fresh.runner.max_iters = 1300
        fresh.hooks(interval=3, min_line_seconds=seconds).begin()
        fresh.call("before_train_epoch")
        fresh.list[2]._epoch_length = None
        for batch_idx in range(650):
            fresh.step(batch_idx)
            if reads:
                fresh.runner.message_hub.get_scalar("train/loss").mean(4)
        fresh.end()
        timeless = [{k: v for k, v in row.items() if "time" not in k and k != "memory"} for row in fresh.rows]
        rows.append(timeless)
    assert rows[0] == rows[1]
    assert len(rows[0]) == 216
    assert rows[0][5].keys() == {"lr", "loss", "acc", "epoch", "iter", "step"}


def test_the_experiment_is_named_at_intervals(training):
    training.hooks(interval_exp_name=3).begin()
    training.epoch()
    lines = [line.split(" - ")[-1] for line in training.screen.splitlines()]
    assert lines.count("Exp name: toy") == 2


def test_nothing_is_read_between_two_lines(training):
    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert func is not torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    training.hooks(interval=1000, ignore_last=True).begin()
    training.runner.max_iters = 200
    training.call("before_train_epoch")
    training.list[2]._epoch_length = None
    with Reads():
        for batch_idx in range(100):
            training.step(batch_idx)


@pytest.mark.parametrize("in_the_middle", [True, False])
def test_the_window_of_an_epoch_survives_a_resume_in_its_middle(training, in_the_middle):
    training.runner.log_processor = LogProcessor(
        custom_cfg=[{"data_src": "loss", "method_name": "mean", "window_size": "epoch", "log_name": "loss_epoch"}]
    )
    training.hooks().begin()
    training.call("before_train_epoch")
    for batch_idx in range(2 if in_the_middle else 4):
        training.step(batch_idx)
    if not in_the_middle:
        training.call("after_train_epoch")
    hub, hook = training.runner.message_hub.state_dict(), training.list[0].state_dict()
    training.hooks()
    training.runner.message_hub = type(training.runner.message_hub)()
    training.call("before_run")
    training.runner.message_hub.load_state_dict(hub)
    training.list[0].load_state_dict(hook)
    training.call("before_train")
    training.epoch(range(2, 4) if in_the_middle else range(2))
    row = training.rows[-1]
    assert row["loss_epoch"] == (3 + 6 + 9 + 12) / 4 if in_the_middle else (15 + 18) / 2


def test_validation_by_iterations_has_the_iteration_as_its_step(training):
    training.hooks(log_metric_by_epoch=False).begin()
    training.epoch()
    training.validate({"acc": 1.0})
    assert training.rows[-1]["step"] == 4
    training.hooks().begin()
    training.runner.log_processor = LogProcessor(by_epoch=False)
    training.validate({"acc": 1.0})
    assert training.rows[-1]["step"] == 4


def test_the_end_says_where_everything_lies(training):
    training.hooks().begin()
    training.epoch()
    training.runner.message_hub.update_info("best_ckpt", "/w/best_acc_epoch_1.pth")
    training.runner.message_hub.update_info("last_ckpt", "/w/epoch_2.pth")
    training.validate({"acc": 0.75, "loss": 0.5})
    training.epoch()
    training.validate({"acc": 0.5, "loss": 0.6})
    training.end()
    text = training.screen[training.screen.index("Training finished") :]
    assert "2 epochs, 8 iterations" in text
    assert "best checkpoint   /w/best_acc_epoch_1.pth" in text
    assert "best metrics      acc 0.7500, loss 0.5000" in text
    assert "last checkpoint   /w/epoch_2.pth" in text
    assert f"logs and scalars  {training.runner.log_dir}" in text
    training.call("before_run")
    training.call("after_run")
    assert training.screen.count("Training finished") == 1


def test_the_best_metrics_survive_a_resume(training):
    training.hooks().begin()
    training.runner.message_hub.update_info("best_ckpt_acc", "/w/best.pth")
    training.validate({"acc": 0.75})
    state = training.list[2].state_dict()
    training.hooks().begin()
    training.list[2].load_state_dict(json.loads(json.dumps(state)))
    training.end()
    assert "best acc metrics     acc 0.7500" in training.screen


def test_a_test_leaves_its_metrics_in_a_file(training):
    training.hooks()
    training.call("before_run")
    training.call("before_test")
    training.call("before_test_epoch")
    for batch_idx in range(4):
        training.call("before_test_iter", batch_idx=batch_idx, data_batch=None)
        training.call("after_test_iter", batch_idx=batch_idx, data_batch=None, outputs=None)
    training.call("after_test_epoch", metrics={"acc": 0.5, "matrix": torch.eye(2)})
    training.call("after_test")
    training.call("after_run")
    (metrics,) = lines_of(training.runner, "20260101_000000.json")
    assert (metrics["acc"], metrics["matrix"]) == (0.5, [[1, 0], [0, 1]])
    assert "Epoch(test) [4/4]    acc: 0.5000" in training.screen


@pytest.mark.parametrize("keep_local", [True, False])
def test_logs_are_copied(training, tmp_path, keep_local):
    training.hooks(out_dir=tmp_path / "out", keep_local=keep_local, out_suffix=".json").begin()
    training.epoch()
    training.end()
    folder = tmp_path / "out" / tmp_path.name / "20260101_000000"
    assert sorted(str(each.relative_to(folder)) for each in folder.rglob("*.*")) == [
        "vis_data/20260101_000000.json",
        "vis_data/scalars.json",
    ]
    local = tmp_path / "20260101_000000"
    assert (local / "vis_data" / "scalars.json").exists() is keep_local
    assert (local / "20260101_000000.log").exists()


@pytest.mark.parametrize("where", [{}, {"backend_args": {"backend": "memory"}}])
def test_logs_are_copied_to_a_store(training, tmp_path, where):
    out_dir = f"{'' if where else 'memory://'}/store-of-logs-{bool(where)}"
    training.hooks(out_dir=out_dir, out_suffix=".json", **where).begin()
    training.epoch()
    training.end()
    copy = f"{out_dir}/{tmp_path.name}/20260101_000000/vis_data/scalars.json"
    assert fileio.get(copy, **where) == (tmp_path / "20260101_000000" / "vis_data" / "scalars.json").read_bytes()


def test_the_older_name_means_the_same(training, tmp_path):
    training.hooks(out_dir=tmp_path / "out", file_client_args={"backend": "disk"}, out_suffix=".json").begin()
    training.epoch()
    training.end()
    assert list((tmp_path / "out").rglob("scalars.json"))
    with pytest.raises(BuildError, match="give one of them"):
        LoggerHook(out_dir="out", file_client_args={}, backend_args={})
    with pytest.raises(ValueError, match="for out_dir, which is not given"):
        LoggerHook(backend_args={"backend": "local"})


def test_logs_are_not_thrown_away():
    with pytest.raises(ValueError, match="needs out_dir"):
        LoggerHook(keep_local=False)
    with pytest.raises(ValueError, match="at least 1"):
        LoggerHook(interval=0)


def test_a_terminal_shows_one_line_that_is_redrawn(training, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    training.runner.logger.console._live = True
    training.hooks().begin()
    training.epoch()
    training.validate({"acc": 0.5})
    training.end()
    screen = training.screen
    assert "Epoch 1/2 [====================] 4/4  loss 10.5000  lr 5.00e-01" in screen
    assert "Epoch(train)" not in screen
    assert "acc: 0.5000" in screen
    assert "Epoch(train) [1][4/4]" in Path(training.runner.log_dir, "20260101_000000.log").read_text()


def test_other_ranks_draw_nothing(training):
    training.runner.rank = 1
    training.runner.logger.console._stream = io.StringIO()
    training.runner.logger.console._live = True
    training.runner.visualizer = Visualizer()
    training.hooks().begin()
    training.epoch()
    assert "Epoch 1/2" not in training.screen
    assert isinstance(training.runner.logger.console, Console)


def test_seconds_are_measured(training):
    training.hooks().begin()
    training.epoch()
    hub = training.runner.message_hub
    assert hub.get_scalar("train/time").min() >= hub.get_scalar("train/data_time").min() >= 0
    assert hub.get_info("eta") > 0
    training.epoch()
    assert hub.get_info("eta") == 0
