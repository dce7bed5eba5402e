"""Building without running: every component of a config, each failure as a problem at the config's line.

The model is built on the meta device, where it takes no memory, and on the CPU where its constructor needs numbers.
Data sets are opened, and nothing is read from them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from runner import assemble
from runner.build import Builder
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.errors import BuildError, Path, Problem, RunnerError, dotted
from runner.hooks import HookList
from runner.logging import MessageHub, MMLogger
from runner.loops import TrainLoop

__all__ = ["build_problems"]

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_EVALUATORS = ("val_evaluator", "test_evaluator")


def build_problems(config: Config) -> list[Problem]:
    """Build every component that a config names; returns what failed, as problems.

    Args:
        config: A config that `runner.validation.check` finds in order.
    """
    bench = _Bench(config)
    bench.attempt(("custom_imports",), lambda: run_custom_imports(config))
    if not bench.problems:
        with bench.logger.current(), bench.message_hub.current():
            bench.build_all()
    return sorted(bench.problems, key=lambda problem: problem.origin.line if problem.origin else 0)


class _Failed(Exception):  # noqa: N818 - it carries no message: the failure has been reported
    """Something that this was to be built from has failed already."""


class _TrialBuilder(Builder):
    """Reports each failure where it happens, and does not build what the failed component was for."""

    def __init__(self, scope: str | None, report: Callable[[Path, Exception], None]) -> None:
        super().__init__(scope=scope)
        self._report = report

    def build(self, kind: str, cfg: Any, path: Path = (), /, **injected: Any) -> Any:
        try:
            return super().build(kind, cfg, path, **injected)
        except _Failed:
            raise
        except Exception as error:
            # A constructor may raise anything. Who builds without a path is asked where it stood.
            if not path:
                raise
            self._report(error.path if isinstance(error, BuildError) and error.path else path, error)
            raise _Failed from error


class _Bench:
    """As much of a Runner as its parts are built for."""

    rank = data_rank = 0
    world_size = data_world_size = 1
    mp_start_method = "fork"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.data = config.to_dict()
        self.problems: list[Problem] = []
        self.builder = _TrialBuilder(config.get("default_scope"), self.report)
        self.seed = self.data.get("randomness", {}).get("seed") or 0
        self.message_hub = MessageHub()
        self.logger = MMLogger(log_level="CRITICAL")
        self.hooks = HookList()
        self.device = torch.device("cpu")
        self.val_loop = None
        self.unwrapped_model: nn.Module | None = None
        self.optim_wrapper: Any = None
        self.train_dataloader, self.val_dataloader, self.test_dataloader = (self.data.get(name) for name in _LOADERS)
        self.train_loop: TrainLoop | None = None

    def report(self, path: Path, error: Exception) -> None:
        """Put a failure down to its place in the config."""
        marks = self.config.composition.marks
        known = path
        while known and not _has(self.data, known):
            known = known[:-1]
        cause = error.__cause__ if isinstance(error, BuildError) and error.__cause__ is not None else error
        message = str(cause) if isinstance(cause, RunnerError) else f"{type(cause).__name__}: {cause}"
        origin = marks.value_at(known) if known else None
        problem = Problem(code="build-failed", path=dotted(path), message=message, origin=origin)
        if problem not in self.problems:
            self.problems.append(problem)

    def attempt(self, path: Path, make: Callable[[], Any]) -> Any:
        """Make something; None where it, or what it needs, could not be made."""
        try:
            return make()
        except _Failed:
            return None
        except Exception as error:  # noqa: BLE001 - a component may raise anything; it becomes a problem
            self.report(error.path if isinstance(error, BuildError) and error.path else path, error)
            return None

    def build_dataloader(self, loader: Any) -> Any:
        """The loop's loader has been built already."""
        return loader

    def build_all(self) -> None:
        """Build everything, each part whatever became of the others."""
        runner, data = cast("Any", self), self.data
        self.unwrapped_model = self.attempt(("model",), self._model)
        loaders = {
            name: self.attempt((name,), partial(assemble.dataloader, runner, data[name], (name,)))
            for name in _LOADERS
            if data.get(name) is not None
        }
        vars(self).update({name: loader for name, loader in loaders.items() if loader is not None})
        for name in _EVALUATORS:
            if data.get(name) is not None:
                self.attempt((name,), partial(assemble.evaluator, runner, data[name], (name,)))
        self._hooks()
        if data.get("log_processor") is not None:
            path: Path = ("log_processor",)
            self.attempt(path, partial(self.builder.build, "log_processor", data["log_processor"], path))
        if data.get("visualizer") is not None:
            path, folder = ("visualizer",), tempfile.gettempdir()
            self.attempt(path, partial(self.builder.build, "visualizer", data["visualizer"], path, save_dir=folder))
        self._training(loaders.get("train_dataloader"))

    def _model(self) -> nn.Module:
        cfg, preprocessor = self.data["model"], self.data.get("data_preprocessor")
        quiet = Builder(scope=self.config.get("default_scope"))
        held, self.builder = self.builder, cast("Any", quiet)
        try:
            with torch.device("meta"):
                return assemble.model(cast("Any", self), cfg, preprocessor)
        except Exception:  # noqa: BLE001 - some constructors need numbers; what they say on the CPU is what counts
            self.builder = held
            return assemble.model(cast("Any", self), cfg, preprocessor)
        finally:
            self.builder = held

    def _hooks(self) -> None:
        default = {**assemble.DEFAULT_HOOKS, **self.data.get("default_hooks", {})}
        for name, cfg in default.items():
            if isinstance(cfg, Mapping):
                whole = {**assemble.DEFAULT_HOOKS.get(name, {}), **cfg} if "type" not in cfg else cfg
                self._hook(whole, ("default_hooks", name))
        for number, cfg in enumerate(self.data.get("custom_hooks") or ()):
            self._hook(cfg, ("custom_hooks", number))

    def _hook(self, cfg: Any, path: Path) -> None:
        self.attempt(path, partial(assemble.register_hook, cast("Any", self), cfg, path))

    def _training(self, loader: Any) -> None:
        """The optimizer on the model, the loop on its data, and the schedules on both."""
        runner, data = cast("Any", self), self.data
        if data.get("train_cfg") is None or loader is None or self.unwrapped_model is None:
            return
        with contextlib.suppress(RuntimeError):  # too large even for memory that nobody writes to: meta has to do
            # An optimizer may ask which device it is on; what the weights are, none asks.
            self.unwrapped_model.to_empty(device="cpu")
        cfg = assemble.train_loop_type(data["train_cfg"])
        self.train_loop = self.attempt(
            ("train_cfg",), lambda: self.builder.build("loop", cfg, ("train_cfg",), runner=self, dataloader=loader)
        )
        self.optim_wrapper = self.attempt(
            ("optim_wrapper",), lambda: assemble.optim_wrapper(runner, data["optim_wrapper"])
        )
        if self.train_loop is None or self.optim_wrapper is None:
            return
        self.attempt(("auto_scale_lr",), lambda: assemble.scale_lr(runner, data.get("auto_scale_lr")))
        self.attempt(("param_scheduler",), lambda: assemble.param_schedulers(runner, data.get("param_scheduler")))


def _has(data: Any, path: Path) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
