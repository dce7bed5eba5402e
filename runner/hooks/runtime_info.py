"""Tells the message hub what is going on: counters, learning rates, losses, metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from runner.hooks.hook import Hook
from runner.masking import mask_texts
from runner.optim import OptimWrapper

if TYPE_CHECKING:
    from runner.runner import Runner
    from runner.visualization import Visualizer

__all__ = ["RuntimeInfoHook"]


class RuntimeInfoHook(Hook):
    """Records counters, learning rates, losses and metrics in the message hub, where other parts read them.

    Facts: `cfg, seed, experiment_name, runner_version, loop_stage, epoch, iter, max_epochs, max_iters, dataset_meta`.
    Scalars: `train/lr`, `train/base_lr` where there is one, `train/NAME` for each entry of the training step's
    outputs, `val/NAME` and `test/NAME` for each metric. Losses stay tensors: nothing waits for the device.

    Its state in checkpoints holds that of the visualizer's backends, so that the curves of a resumed run go on.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._stage_before_val: str | None = None
        self._inside_epoch = False
        self._keys: dict[str, str] = {}
        self._one_rate: OptimWrapper | None = None
        self._visualizer: Visualizer | None = None
        self._of_backends: dict[str, Any] | None = None

    def before_run(self, runner: Runner) -> None:
        """Record what the run is."""
        self._visualizer = runner.visualizer
        self._continue_curves()
        runner.message_hub.update_info_dict(
            {
                "cfg": runner.cfg.pretty_text,
                "seed": runner.seed,
                "experiment_name": runner.experiment_name,
                "runner_version": version("yaml-runner"),
            }
        )

    def before_train(self, runner: Runner) -> None:
        """Record how far the training shall go."""
        hub = runner.message_hub
        hub.update_info("loop_stage", "train")
        hub.update_info("epoch", runner.epoch)
        hub.update_info("iter", runner.iter)
        hub.update_info("max_epochs", runner.max_epochs)
        hub.update_info("max_iters", runner.max_iters)
        metainfo = _metainfo(runner, runner.train_dataloader)
        if metainfo is not None:
            hub.update_info("dataset_meta", mask_texts(metainfo))

    def after_train(self, runner: Runner) -> None:
        """The training is over."""
        runner.message_hub.pop_info("loop_stage")

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin the window `epoch` anew, but not where a resumed run goes on in the middle of an epoch."""
        runner.message_hub.update_info("epoch", runner.epoch)
        if not self._inside_epoch:
            runner.message_hub.start_epoch("train")
        self._inside_epoch = True
        wrapper = runner.optim_wrapper
        plain = isinstance(wrapper, OptimWrapper) and type(wrapper).get_lr is OptimWrapper.get_lr
        self._one_rate = wrapper if wrapper is not None and plain and wrapper.base_param_settings is None else None

    def after_train_epoch(self, runner: Runner) -> None:
        """The epoch is over."""
        self._inside_epoch = False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Record the iteration and the learning rate."""
        hub = runner.message_hub
        hub.update_info("iter", runner.iter)
        wrapper = runner.optim_wrapper
        assert wrapper is not None
        if wrapper is self._one_rate:
            # What get_lr() would answer, without building its lists at each step.
            hub.update_scalar("train/lr", wrapper.optimizer.param_groups[0]["lr"])
            return
        for name, rates in wrapper.get_lr().items():
            hub.update_scalar(f"train/{name}", rates[0])

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Record the losses."""
        if outputs is None:
            return
        hub, keys = runner.message_hub, self._keys
        for name, value in outputs.items():
            key = keys.get(name)
            if key is None:
                key = keys[name] = f"train/{name}"
            hub.update_scalar(key, value)

    def before_val(self, runner: Runner) -> None:
        """A validation begins, maybe in the middle of the training."""
        self._stage_before_val = runner.message_hub.get_info("loop_stage")
        runner.message_hub.update_info("loop_stage", "val")
        _metainfo(runner, runner.val_dataloader)

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin the window `epoch` anew."""
        runner.message_hub.start_epoch("val")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Record the metrics."""
        _record(runner, "val", metrics)

    def after_val(self, runner: Runner) -> None:
        """Go back to the stage that the validation interrupted."""
        if self._stage_before_val == "train":
            runner.message_hub.update_info("loop_stage", "train")
        else:
            runner.message_hub.pop_info("loop_stage")
        self._stage_before_val = None

    def before_test(self, runner: Runner) -> None:
        """A test begins."""
        runner.message_hub.update_info("loop_stage", "test")
        _metainfo(runner, runner.test_dataloader)

    def before_test_epoch(self, runner: Runner) -> None:
        """Begin the window `epoch` anew."""
        runner.message_hub.start_epoch("test")

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Record the metrics."""
        _record(runner, "test", metrics)

    def after_test(self, runner: Runner) -> None:
        """The test is over."""
        runner.message_hub.pop_info("loop_stage")

    def state_dict(self) -> dict[str, Any]:
        """Whether the checkpoint was written in the middle of an epoch, and what the visualizer's backends need."""
        backends = self._visualizer.state_dict() if self._visualizer is not None else {}
        return {"inside_epoch": self._inside_epoch, **({"backends": backends} if backends else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._inside_epoch = bool(state_dict["inside_epoch"])
        self._of_backends = state_dict.get("backends")
        self._continue_curves()

    def _continue_curves(self) -> None:
        """Hand the backends their states, once both are there: a run may be resumed before it begins."""
        if self._visualizer is not None and self._of_backends:
            self._visualizer.load_state_dict(self._of_backends)
            self._of_backends = None


def _metainfo(runner: Runner, dataloader: Any) -> Any:
    """What a loader's dataset says about itself, which the visualizer draws names and colours from."""
    metainfo = getattr(getattr(dataloader, "dataset", None), "metainfo", None)
    if metainfo is not None:
        runner.visualizer.dataset_meta = metainfo
    return metainfo


def _record(runner: Runner, mode: str, metrics: Mapping[str, Any] | None) -> None:
    """Record single numbers as scalars, and what else a metric returned as facts."""
    for name, value in (metrics or {}).items():
        if isinstance(value, (int, float, np.number)) or (
            isinstance(value, (torch.Tensor, np.ndarray)) and math.prod(value.shape) == 1
        ):
            runner.message_hub.update_scalar(f"{mode}/{name}", value)
        else:
            runner.message_hub.update_info(f"{mode}/{name}", value)
