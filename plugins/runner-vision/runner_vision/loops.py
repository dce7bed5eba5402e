"""Cross-validation as a training loop."""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from runner.dataset import DataLoader as KeyedDataLoader
from runner.dist import is_main_process
from runner.errors import BuildError
from runner.kinds import Interval
from runner.loops import EpochBasedTrainLoop
from runner.optim.scheduler import restore_schedulers

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["KFoldTrainLoop", "folds"]


class KFoldTrainLoop(EpochBasedTrainLoop):
    """Train k times, each time without another k-th of one data set, and measure on what was left out.

    `train_dataloader` and `val_dataloader` give the same samples in the same order, the second as a rule without random
    transforms. Each fold starts from the same weights and the same state of optimizer and schedules, and is measured by
    `val_evaluator`. The mean and the standard deviation of each metric over the folds are logged at the end, and written
    to `LOG_DIR/kfold.json`.

    Epochs and iterations are counted on through all folds, so that checkpoints and curves don't overwrite each other;
    schedules last one fold. Hooks with state of their own keep it from fold to fold; `before_fold(runner, fold)` and
    `after_fold(runner, fold, metrics)` tell them where one begins and ends.

    Args:
        runner: The runner that the loop belongs to.
        dataloader: A built loader of the whole data set, or the mapping to build one from.
        max_epochs: How often each fold's training part is gone through.
        num_folds: How many parts the data set is split into.
        stratified: Give each part its share of every class, where the data set has `targets`.
        fold_seed: Decides which samples make up which part, and nothing else does.
        val_begin: The first epoch of a fold, from 1, that is followed by a validation.
        val_interval: Epochs from one validation to the next; a fold's last epoch is always followed by one.
        dynamic_intervals: Pairs of (epoch of a fold, validation interval from there on).
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader[Any] | dict[str, Any],
        max_epochs: Annotated[int, Interval(ge=1)],
        num_folds: Annotated[int, Interval(ge=2)] = 5,
        stratified: bool = True,
        fold_seed: Annotated[int, Interval(ge=0)] = 0,
        val_begin: Annotated[int, Interval(ge=1)] = 1,
        val_interval: Annotated[int, Interval(ge=1)] = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        if val_begin > max_epochs:
            raise BuildError(f"val_begin is {val_begin} and a fold has {max_epochs} epochs: no fold would be measured")
        self.num_folds = num_folds
        self.epochs_per_fold = max_epochs
        self.dataset = cast("Any", self.dataloader.dataset)
        self.metrics: list[dict[str, Any]] = []
        """Each finished fold's metrics."""
        self._fold = 0
        self._last_metrics: dict[str, Any] = {}
        self._initial: dict[str, Any] | None = None
        # The mappings say how to build a loader of a part; the runner replaces its own by the loader that it built.
        self._train_cfg = dataloader
        self._val_cfg: Any = runner.val_dataloader
        targets = getattr(self.dataset, "targets", None) if stratified else None
        self._parts = folds(len(self.dataset), num_folds, targets=targets, seed=fold_seed)
        self._lengths = [len(self._train_loader(fold)) for fold in range(num_folds)]
        self._max_epochs = num_folds * max_epochs
        self._max_iters = max_epochs * sum(self._lengths)
        self.dataloader = self._train_loader(0)

    @property
    def fold(self) -> int:
        """The fold that is being trained, from 0."""
        return self._fold

    @property
    def schedule_epochs(self) -> int:
        """Epochs that a schedule lasts where its config does not say."""
        return self.epochs_per_fold

    @property
    def schedule_iters(self) -> int:
        """Iterations that a schedule lasts where its config does not say; the longest fold's."""
        return self.epochs_per_fold * max(self._lengths)

    def run(self) -> nn.Module:
        """Train and measure every fold."""
        runner = self.runner
        if runner.val_loop is None:
            raise BuildError("a fold is measured on what it left out: give val_dataloader, val_cfg and val_evaluator")
        runner.call_hook("before_train")
        if self._initial is None:
            self._initial = self._state_of_the_run()
            self._enter_fold()
        else:
            self._use_fold_loaders()
            self._count_steps()
        while self._run_fold() and self._fold + 1 < self.num_folds:
            self._fold += 1
            self._restart_from(self._initial)
            self._enter_fold()
        self._report()
        runner.call_hook("after_train")
        return runner.model

    def _run_fold(self) -> bool:
        """Train and measure the fold, or what a resumed one has left; False where the run is to stop before its end."""
        start = self._fold * self.epochs_per_fold
        self.runner.call_hook("before_fold", fold=self._fold)
        if self._resumed and self._starts_an_epoch() and self._epoch > start:
            # The checkpoint was written at the epoch's end, before the validation that follows it.
            self.validate_if_due(self._epoch - start, self.epochs_per_fold)
        while self._epoch < start + self.epochs_per_fold and not self.stop_training:
            self.run_epoch()
            self.validate_if_due(self._epoch - start, self.epochs_per_fold)
        if self._epoch < start + self.epochs_per_fold:
            return False
        self.metrics.append(self._last_metrics)
        self.runner.logger.info(f"fold {self._fold + 1} of {self.num_folds}: {_numbers(self._last_metrics)}")
        self.runner.call_hook("after_fold", fold=self._fold, metrics=self._last_metrics)
        return not self.stop_training

    def validate_if_due(self, position: int, end: int) -> None:
        """Measure on what the fold left out, if it is time to.

        Args:
            position: Epochs of the fold that are finished.
            end: Epochs of a fold.
        """
        self.decide_val_interval(position)
        val_loop = self.runner.val_loop
        if val_loop is not None and self.is_validation_due(position, end):
            self._last_metrics = dict(val_loop.run())

    # ---- from fold to fold -------------------------------------------------------------------------------------------

    def _enter_fold(self) -> None:
        self.dataloader = self._train_loader(self._fold)
        self._use_fold_loaders()
        self._count_steps()

    def _use_fold_loaders(self) -> None:
        runner = self.runner
        runner.train_dataloader = self.dataloader
        val_loop = runner.val_loop
        assert val_loop is not None
        whole: Any = val_loop.dataloader.dataset
        whole = whole.dataset if isinstance(whole, _Part) else whole
        if len(whole) != len(self.dataset):
            raise BuildError(
                f"val_dataloader has {len(whole)} samples and train_dataloader {len(self.dataset)}; "
                "KFoldTrainLoop takes the same samples for both: it splits them itself"
            )
        val_loop.dataloader = _loader_over(runner, self._val_cfg, _Part(whole, self._parts[self._fold]))
        runner.val_dataloader = val_loop.dataloader

    def _count_steps(self) -> None:
        # A window of accumulated gradients ends with the fold, not with the run.
        end = self.epochs_per_fold * sum(self._lengths[: self._fold + 1])
        assert self.runner.optim_wrapper is not None
        self.runner.optim_wrapper.initialize_count_status(self.runner.unwrapped_model, self._iter, end)

    def _train_loader(self, fold: int) -> DataLoader[Any]:
        kept = sorted(index for number, part in enumerate(self._parts) if number != fold for index in part)
        return _loader_over(self.runner, self._train_cfg, _Part(self.dataset, kept))

    def _state_of_the_run(self) -> dict[str, Any]:
        runner = self.runner
        assert runner.optim_wrapper is not None
        state = {
            "state_dict": runner.unwrapped_model.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "param_schedulers": _each_scheduler(runner.param_schedulers),
        }
        return copy.deepcopy(state)

    def _restart_from(self, initial: Mapping[str, Any]) -> None:
        runner = self.runner
        assert runner.optim_wrapper is not None
        state = copy.deepcopy(dict(initial))
        runner.unwrapped_model.load_state_dict(state["state_dict"])
        runner.optim_wrapper.load_state_dict(state["optimizer"])
        restore_schedulers(runner.param_schedulers, state["param_schedulers"])

    # ---- the checkpoint ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The fold, what the finished ones gave, and what each starts from."""
        return {"fold": self._fold, "metrics": self.metrics, "initial": self._initial}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the fold that the checkpoint was written in."""
        self._fold = state["fold"]
        self.metrics = list(state["metrics"])
        self._initial = state["initial"]
        loader = self._train_loader(self._fold)
        if isinstance(loader, KeyedDataLoader) and isinstance(self.dataloader, KeyedDataLoader):
            loader.load_state_dict(self.dataloader.state_dict())
        self.dataloader = loader

    # ---- the report --------------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean and standard deviation (of a sample) over the finished folds, for each metric that is a number."""
        names = [name for name, value in (self.metrics[0] if self.metrics else {}).items() if _is_number(value)]
        summary = {}
        for name in names:
            values = [float(metrics[name]) for metrics in self.metrics]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            summary[name] = {"mean": statistics.fmean(values), "std": spread}
        return summary

    def _report(self) -> None:
        summary = self.summary()
        for name, found in summary.items():
            self.runner.logger.info(
                f"{name}: {found['mean']:.4f} +- {found['std']:.4f} over {len(self.metrics)} of {self.num_folds} folds"
            )
        if is_main_process() and self.metrics:
            report = {"folds": [_plain_numbers(metrics) for metrics in self.metrics], "summary": summary}
            Path(self.runner.log_dir, "kfold.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def folds(length: int, num_folds: int, *, targets: Sequence[int] | None = None, seed: int = 0) -> list[list[int]]:
    """Split the indices of a data set into parts whose sizes differ by at most one.

    Args:
        length: How many samples there are.
        num_folds: How many parts.
        targets: The samples' classes, to give each part its share of every class.
        seed: Decides the split; no other generator is drawn from.

    Raises:
        BuildError: If there are fewer samples than parts.
    """
    if length < num_folds:
        raise BuildError(f"num_folds is {num_folds} and the data set has {length} samples; it takes at most {length}")
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed)).tolist()
    if targets is not None:
        order.sort(key=lambda index: targets[index])
    return [sorted(order[number::num_folds]) for number in range(num_folds)]


class _Part(Dataset[Any]):
    """Some samples of a data set, with its description."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        self.metainfo = getattr(dataset, "metainfo", None)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]


def _loader_over(runner: Runner, cfg: DataLoader[Any] | Mapping[str, Any], part: _Part) -> DataLoader[Any]:
    """A loader with the options of another, or of a mapping, over a part of its data set."""
    if isinstance(cfg, Mapping):
        return runner.build_dataloader({**cfg, "dataset": part})
    if cfg.batch_size is None:
        raise BuildError(
            "KFoldTrainLoop can't split a built loader that has a batch sampler; give the loader as a mapping"
        )
    options = ("num_workers", "collate_fn", "pin_memory", "drop_last", "timeout", "worker_init_fn", "prefetch_factor")
    return runner.build_dataloader(
        DataLoader(
            part,
            batch_size=cfg.batch_size,
            shuffle=isinstance(cfg.sampler, RandomSampler),
            multiprocessing_context=cfg.multiprocessing_context,
            persistent_workers=cfg.persistent_workers,
            **{name: getattr(cfg, name) for name in options},
        )
    )


def _each_scheduler(schedulers: Any) -> Any:
    if isinstance(schedulers, Mapping):
        return {name: _each_scheduler(many) for name, many in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if _is_number(value)}


def _numbers(metrics: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in _plain_numbers(metrics).items())
