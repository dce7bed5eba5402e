"""Our log processor beside MMEngine's: the same values go into both hubs, the same numbers and lines come out."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace

import numpy as np
import pytest

from runner.logging import LogProcessor, MessageHub

mmengine = pytest.importorskip("mmengine", reason="MMEngine is not installed")

from mmengine.logging import MessageHub as TheirHub  # noqa: E402
from mmengine.runner import LogProcessor as TheirProcessor  # noqa: E402

BATCHES, EPOCHS = 7, 3


class Both:
    """A run as either log processor sees it, its values in a hub of each kind."""

    def __init__(self, by_epoch):
        loader = [None] * BATCHES
        loop = SimpleNamespace(dataloader=loader)
        shared = {
            "iter": 0,
            "epoch": 0,
            "max_epochs": EPOCHS if by_epoch else 1,
            "max_iters": BATCHES * EPOCHS,
            "_train_loop": loop,
            "train_loop": loop,
            "val_loop": loop,
            "test_loop": loop,
            "train_dataloader": loader,
            "val_dataloader": loader,
            "test_dataloader": loader,
            "device": "cpu",
            "model": None,
        }
        self.ours = SimpleNamespace(**shared, message_hub=MessageHub())
        self.theirs = SimpleNamespace(**shared, message_hub=TheirHub(f"hub {random.random()}"))
        self.sides = (self.ours, self.theirs)

    def record(self, mode, names, numbers):
        for name in names:
            value, count = numbers.uniform(-2, 2), numbers.choice([1, 1, 4])
            for side in self.sides:
                side.message_hub.update_scalar(f"{mode}/{name}", value, count)

    def inform(self, key, value):
        for side in self.sides:
            side.message_hub.update_info(key, value)

    def move(self, **position):
        for side in self.sides:
            vars(side).update(position)


def alike(ours, theirs):
    ours, memory = dict(ours), "memory" in ours and "memory" not in theirs
    if memory:  # ours tells a CPU's too
        ours.pop("memory")
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert np.allclose(ours[name], value, rtol=1e-12, atol=1e-12), name


def same_line(ours, theirs):
    assert re.sub(r"memory: \d+  ", "", ours).split() == theirs.split()


TRAIN = ("lr", "base_lr", "data_time", "time", "grad_norm", "loss_cls", "loss", "acc")

PROCESSORS = {
    "default": {},
    "a longer window": {"window_size": 100},
    "a window of one": {"window_size": 1},
    "hierarchy": {"log_with_hierarchy": True},
    "digits": {"num_digits": 7},
    "a pattern": {"mean_pattern": r"acc|_cls"},
    "no averages": {"mean_pattern": "nothing is called so"},
    "in other ways": {
        "custom_cfg": [
            {"data_src": "loss", "method_name": "mean", "window_size": "global"},
            {"data_src": "loss", "log_name": "loss_low", "method_name": "min", "window_size": "epoch"},
            {"data_src": "loss", "log_name": "loss_high", "method_name": "max", "window_size": 3},
            {"data_src": "loss_cls", "log_name": "all_of_it", "method_name": "mean", "window_size": "epoch"},
            {"data_src": "time", "log_name": "last", "method_name": "current"},
            {"data_src": "absent", "method_name": "max", "window_size": 2},
        ],
        "log_with_hierarchy": True,
    },
}


def epochless(options):
    """What is allowed where iterations are counted."""
    custom = [each for each in options.get("custom_cfg", ()) if each.get("window_size") != "epoch"]
    # MMEngine asks each of them for a window there.
    custom = [each for each in custom if "window_size" in each]
    return {**options, "custom_cfg": custom} if custom else options


@pytest.mark.parametrize("by_epoch", [True, False], ids=["epochs", "iterations"])
@pytest.mark.parametrize("options", PROCESSORS.values(), ids=PROCESSORS)
def test_lines_of_training(options, by_epoch):
    options = options if by_epoch else epochless(options)
    ours, theirs = LogProcessor(by_epoch=by_epoch, **options), TheirProcessor(by_epoch=by_epoch, **options)
    both, numbers = Both(by_epoch), random.Random(0)
    for step in range(BATCHES * EPOCHS):
        epoch, batch = divmod(step, BATCHES) if by_epoch else (0, step)
        both.move(iter=step, epoch=epoch)
        if batch == 0:
            both.ours.message_hub.start_epoch("train")
        both.record("train", TRAIN, numbers)
        both.inform("eta", 100.0 * step)
        # As the hook does: some moments only, most values are never looked at when they are new.
        if step % 4 == 3 or batch == BATCHES - 1:
            tag, line = ours.get_log_after_iter(both.ours, batch, "train")
            their_tag, their_line = theirs.get_log_after_iter(both.theirs, batch, "train")
            alike(tag, their_tag)
            same_line(line, their_line)


@pytest.mark.parametrize("mode", ["val", "test"])
@pytest.mark.parametrize("by_epoch", [True, False], ids=["epochs", "iterations"])
@pytest.mark.parametrize("options", PROCESSORS.values(), ids=PROCESSORS)
def test_lines_of_an_evaluation(options, by_epoch, mode):
    options = options if by_epoch else epochless(options)
    ours, theirs = LogProcessor(by_epoch=by_epoch, **options), TheirProcessor(by_epoch=by_epoch, **options)
    both, numbers = Both(by_epoch), random.Random(1)
    both.move(iter=BATCHES * EPOCHS, epoch=EPOCHS)
    both.ours.message_hub.start_epoch(mode)
    for batch in range(BATCHES):
        both.record(mode, ("data_time", "time"), numbers)
        alike(
            ours.get_log_after_iter(both.ours, batch, mode)[0],
            theirs.get_log_after_iter(both.theirs, batch, mode)[0],
        )
    both.record(mode, ("toy/acc", "loss"), numbers)
    both.inform(f"{mode}/matrix", np.eye(2))
    for with_non_scalar in (False, True):
        tag, line = ours.get_log_after_epoch(both.ours, BATCHES, mode, with_non_scalar)
        their_tag, their_line = theirs.get_log_after_epoch(both.theirs, BATCHES, mode, with_non_scalar)
        alike(tag, their_tag)
        if not options.get("log_with_hierarchy"):
            same_line(line, their_line)
