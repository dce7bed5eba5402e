"""The Runner: holds the built parts of a run and runs its loops."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn
from torch.utils.data import DataLoader

from runner import assemble, dist
from runner.build import Builder
from runner.checkpoint import snapshot
from runner.checkpoint.lock import exclusive
from runner.checkpoint.place import place
from runner.checkpoint.saver import SaveOptions
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.dist.ddp import is_model_wrapper
from runner.dist.launcher import Launcher
from runner.environment import AutoScaleLR, EnvCfg, Randomness
from runner.errors import BuildError, GoBack
from runner.evaluator import Evaluator
from runner.hooks import Hook, HookList
from runner.logging import LogProcessor
from runner.loops import EvaluationLoop, TrainLoop
from runner.loops.interruption import pick_up
from runner.model import BaseDataPreprocessor
from runner.optim import OptimWrapper
from runner.optim.scheduler import _ParamScheduler
from runner.setup import Setup
from runner.strategy import BaseStrategy
from runner.visualization import Visualizer

__all__ = ["Runner"]

_FINISHING: dict[str, Literal["iter", "epoch"]] = {"after_train_iter": "iter", "after_train_epoch": "epoch"}


class Runner(Setup):
    """Trains, validates and tests one model.

    Each part is given built, or as the mapping to build it from. `train_dataloader`, `train_cfg` and `optim_wrapper` go
    together, and so do the three of validation and the three of testing.

    Args:
        model: What is trained.
        work_dir: Where checkpoints and logs go.
        train_dataloader: The loader to train from.
        val_dataloader: The loader to validate on.
        test_dataloader: The loader to test on.
        train_cfg: The training loop: `by_epoch` or `type`, and its arguments.
        val_cfg: The validation loop; `{}` for `ValLoop`.
        test_cfg: The test loop; `{}` for `TestLoop`.
        auto_scale_lr: Linear scaling of the learning rate with the global batch size.
        optim_wrapper: The optimizer with what is around it.
        param_scheduler: One scheduler, a list, or lists by the optimizer's name.
        val_evaluator: What is measured in validation.
        test_evaluator: What is measured in testing.
        default_hooks: Changes to the default hooks, by name; None drops one.
        custom_hooks: Further hooks.
        data_preprocessor: What the model prepares batches with, where its own mapping does not say.
        load_from: A checkpoint to take the weights from, or to resume from.
        resume: Whether to go on with a run: True takes `load_from`, else the newest whole checkpoint of `work_dir`; a
            step or a path names one.
        launcher: Who started the processes of a distributed run: a launcher's name, or its mapping.
        env_cfg: Process-wide settings.
        log_processor: How recorded values become lines of the log.
        log_level: The least severe level that is logged.
        visualizer: Where scalars and images go.
        default_scope: The plugin that wins where several offer a name.
        randomness: What random numbers are drawn from.
        experiment_name: The run's name; by default the config's stem and the time.
        cfg: The config that all this came from, for the log and for checkpoints.
        model_wrapper_cfg: The wrapper of a distributed model, and its arguments.
        find_unused_parameters: Whether DDP looks for parameters that took no part in the loss.
        sync_bn: `torch` or `mmcv`: whose batch norm, which shares its statistics among ranks, takes the place of others.
        compile: Whether, or with which arguments, `torch.compile` compiles the training step.
        activation_checkpointing: Modules, by dotted name, whose activations are computed again in the backward pass.
        efficient_conv_bn_eval: Modules, by dotted name, in which a convolution and the batch norm behind it are computed
            as one in evaluation mode.
        channels_last: Whether images lie in memory with their channels last, as tensor cores like them.
        init_weights_for_test_or_val: Whether `val()` and `test()` call the model's `init_weights` before they load.
        strategy: How the model is spread over devices; by default it is whole on each, with gradients averaged.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Attributes:
        finishing: `iter` or `epoch` while the hooks of its end are called: a checkpoint that is written there counts it
            as finished, although the loop does not yet. None elsewhere.
        allow_config_change: Whether a resume loads what fits and says what does not, where the config was changed since in a
            way that a part's state does not fit the part. It is an error otherwise. Set it before `train()`.
        is_resuming: Whether `after_load_checkpoint` is called for a resume, and not for the weights alone.
    """

    finishing: Literal["iter", "epoch"] | None = None
    is_resuming: bool = False
    allow_config_change: bool = False

    def __init__(
        self,
        model: nn.Module | dict[str, Any],
        work_dir: str,
        train_dataloader: DataLoader[Any] | dict[str, Any] | None = None,
        val_dataloader: DataLoader[Any] | dict[str, Any] | None = None,
        test_dataloader: DataLoader[Any] | dict[str, Any] | None = None,
        train_cfg: dict[str, Any] | None = None,
        val_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        auto_scale_lr: AutoScaleLR | None = None,
        optim_wrapper: OptimWrapper | dict[str, Any] | None = None,
        param_scheduler: _ParamScheduler | dict[str, Any] | list[Any] | None = None,
        val_evaluator: Evaluator | dict[str, Any] | list[Any] | None = None,
        test_evaluator: Evaluator | dict[str, Any] | list[Any] | None = None,
        default_hooks: dict[str, Hook | dict[str, Any] | None] | None = None,
        custom_hooks: list[Hook | dict[str, Any]] | None = None,
        data_preprocessor: BaseDataPreprocessor | dict[str, Any] | None = None,
        load_from: str | None = None,
        resume: bool | str | int = False,
        launcher: str | dict[str, Any] | Launcher = "none",
        env_cfg: EnvCfg | None = None,
        log_processor: LogProcessor | dict[str, Any] | None = None,
        log_level: str = "INFO",
        visualizer: Visualizer | dict[str, Any] | None = None,
        default_scope: str = "runner",
        randomness: Randomness | None = None,
        experiment_name: str | None = None,
        cfg: Config | dict[str, Any] | None = None,
        *,
        model_wrapper_cfg: dict[str, Any] | None = None,
        find_unused_parameters: bool = False,
        sync_bn: Literal["torch", "mmcv"] | None = None,
        compile: bool | dict[str, Any] = False,  # noqa: A002 - MMEngine's name
        activation_checkpointing: str | list[str] | None = None,
        efficient_conv_bn_eval: str | list[str] | None = None,
        channels_last: bool = False,
        init_weights_for_test_or_val: bool = True,
        strategy: BaseStrategy | dict[str, Any] | None = None,
        device: str = "auto",
    ) -> None:
        fields = dict(locals())
        assemble.check_triples(fields)
        self.cfg = cfg if isinstance(cfg, Config) else Config(cfg or {})
        self._fields = fields
        self.default_scope = default_scope
        self.builder = Builder(scope=default_scope)
        self._set_up_processes(launcher, env_cfg or {}, device)
        self.strategy = assemble.strategy(self, strategy, model_wrapper_cfg)
        dist.set_tensor_parallel_size(self.strategy.tensor_parallel_size)
        self._set_up_randomness(randomness or {})
        self._set_up_folders(work_dir, experiment_name)
        self._set_up_logging(log_level, log_processor, visualizer)
        self.load_from = load_from
        self._resume = resume
        self._has_loaded = self._initialized = self._resumed = False
        self._is_ready = self._is_training = False
        self.train_dataloader, self.val_dataloader = train_dataloader, val_dataloader
        self.test_dataloader = test_dataloader
        self._train_loop: TrainLoop | None = None
        self._val_loop: EvaluationLoop | None = None
        self._test_loop: EvaluationLoop | None = None
        self.optim_wrapper: OptimWrapper | None = None
        self.param_schedulers: list[_ParamScheduler] | dict[str, list[_ParamScheduler]] = []
        self.model = assemble.wrapped_model(self, model, data_preprocessor, self._fields, self._initialize_early)
        self._initialized = self.strategy.initializes  # after that there is nothing that could be
        self.hooks = HookList()
        assemble.hooks(self, default_hooks, custom_hooks)
        self.dump_config()
        self.streams.capture()

    @classmethod
    def from_cfg(cls, cfg: Config | dict[str, Any], *, device: str = "auto") -> Runner:
        """Check a config as `runner train` does, run its `custom_imports`, and build a Runner from it.

        Args:
            cfg: The config.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

        Raises:
            ConfigError: The config has problems; carries all of them.
        """
        from runner.validation import require_valid

        config = cfg if isinstance(cfg, Config) else Config(cfg)
        require_valid(config)
        run_custom_imports(config)
        named = config.get("runner_type")
        if named is not None and cls is Runner:
            cls, _ = Builder(scope=config.get("default_scope")).resolve("runner", {"type": named})  # type: ignore[assignment]  # noqa: PLW0642 - the class that the config names
        known = {*inspect.signature(cls).parameters, *inspect.signature(Runner).parameters}
        return cls(**assemble.arguments(config, known), cfg=config, device=device)

    # ---- what hooks and loops use ------------------------------------------------------------------------------------

    @property
    def unwrapped_model(self) -> nn.Module:
        """The model without the wrapper of distributed training."""
        return self.model.module if is_model_wrapper(self.model) else self.model  # type: ignore[return-value]

    @property
    def compile_options(self) -> bool | dict[str, Any]:
        """The field `compile`."""
        return self._fields["compile"]  # type: ignore[no-any-return]  # as the signature has it

    @property
    def iter(self) -> int:
        """Iterations that are finished."""
        return self._train_loop.iter if self._train_loop is not None else 0

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return self._train_loop.epoch if self._train_loop is not None else 0

    @property
    def max_iters(self) -> int:
        """Iterations of the whole run."""
        return self.train_loop.max_iters

    @property
    def max_epochs(self) -> int:
        """Epochs of the whole run."""
        return self.train_loop.max_epochs

    @property
    def train_loop(self) -> TrainLoop:
        """The training loop, built when it is first asked for."""
        if self._train_loop is None:
            self._train_loop = assemble.train_loop(self, self._fields["train_cfg"])
            self.train_dataloader = self._train_loop.dataloader
        return self._train_loop

    @property
    def val_loop(self) -> EvaluationLoop | None:
        """The validation loop, None for a run without one."""
        if self._val_loop is None and self._fields["val_cfg"] is not None:
            self._val_loop = assemble.evaluation_loop(
                self, "val", self._fields["val_cfg"], self.val_dataloader, self._fields["val_evaluator"]
            )
            self.val_dataloader = self._val_loop.dataloader
        return self._val_loop

    @property
    def test_loop(self) -> EvaluationLoop | None:
        """The test loop, None for a run without one."""
        if self._test_loop is None and self._fields["test_cfg"] is not None:
            self._test_loop = assemble.evaluation_loop(
                self, "test", self._fields["test_cfg"], self.test_dataloader, self._fields["test_evaluator"]
            )
            self.test_dataloader = self._test_loop.dataloader
        return self._test_loop

    def build_dataloader(self, dataloader: DataLoader[Any] | dict[str, Any]) -> DataLoader[Any]:
        """Build a loader whose fetches are keyed, from a mapping or from the user's own loader."""
        return assemble.dataloader(self, dataloader)

    def build_evaluator(self, evaluator: Evaluator | dict[str, Any] | list[Any]) -> Evaluator:
        """Build an evaluator from itself, a metric, a list of metrics, or a mapping with `metrics`."""
        return assemble.evaluator(self, evaluator)

    def register_hook(self, hook: Hook | dict[str, Any], priority: str | int | None = None) -> None:
        """Add a hook; hooks of equal priority are called in the order in which they were added.

        Args:
            hook: The hook, or the mapping to build it from.
            priority: A level's name or a number from 0 to 100, lower first; by default the hook's own.
        """
        if isinstance(hook, Mapping):
            assemble.register_hook(self, hook, ("custom_hooks",))
        else:
            self.hooks.add(hook, priority)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call a point of every hook that overrides it; a custom loop may invent points.

        What lies between `before_train_iter` and `after_train_iter` is a training step: it draws from streams of its
        own, whoever wrote the loop.

        Args:
            fn_name: The point's name.
            **kwargs: What the point is given beside the runner.
        """
        loop = self._train_loop
        if fn_name == "before_train_iter" and loop is not None:
            loop.in_step = True
        elif fn_name == "after_train_iter":
            self.streams.leave_step()
        outer = self.finishing
        self.finishing = _FINISHING.get(fn_name, outer)
        self.hooks.call(self, fn_name, **kwargs)
        self.finishing = outer
        if fn_name == "before_train_iter":
            self.streams.enter_step(self.iter)
        elif fn_name == "after_train_iter" and loop is not None:
            loop.in_step = False

    # ---- running -----------------------------------------------------------------------------------------------------

    def train(self) -> nn.Module:
        """Train, and validate in between; returns the model.

        Raises:
            WorkDirInUse: Another run holds the work directory.
        """
        with (
            exclusive(self.work_dir, self.logger.warning),
            self.message_hub.current(),
            self.logger.current(),
            self.visualizer.current(),
        ):
            loop = self.prepare_training()
            try:
                self.model = self._run(loop) or self.model
            except Exception as error:
                self.call_hook("on_exception", exception=error)
                raise
            self.call_hook("after_run")
        return self.model

    def _run(self, loop: TrainLoop) -> Any:
        """Run the loop to its end; where a hook asks for that, go on from a checkpoint."""
        while True:
            try:
                self._is_training = True
                model = loop.run()
            except GoBack as request:
                self.finishing = None
                with self.hooks.phase(self, "loads a checkpoint"):
                    self.resume(request.checkpoint)
            else:
                self._is_training = False
                return model

    def prepare_training(self) -> TrainLoop:
        """Build what training takes, initialize or load the weights, and compile: all that comes before the first step.

        Returns:
            The training loop.
        """
        loop = self.train_loop
        self._build_optimization()
        assert self.optim_wrapper is not None
        _ = self.val_loop
        self.call_hook("before_run")
        self._init_weights()
        is_first, self._is_ready = not self._is_ready, True
        if is_first:
            assemble.checkpoint_activations(self.unwrapped_model, self._fields["activation_checkpointing"])
            assemble.log_size(self)
        self._load_or_resume()
        if not (self._resumed or self._has_loaded):
            assemble.require_weights(self.strategy)
        if self._is_training:
            self._is_training = False
            pick_up(self)
        if is_first and not self._resumed:
            self.optim_wrapper.initialize_count_status(self.unwrapped_model, 0, loop.max_iters)
        if is_first:
            assemble.compile_step(self.model, self._fields["compile"])
        return loop

    def _build_optimization(self) -> None:
        """Build, once, what changes the weights and what changes that."""
        if self.optim_wrapper is None:
            self.optim_wrapper = assemble.optim_wrapper(self, self._fields["optim_wrapper"])
            self.strategy.adapt(self.optim_wrapper)
            assemble.scale_lr(self, self._fields["auto_scale_lr"])
            self.param_schedulers = assemble.param_schedulers(self, self._fields["param_scheduler"])

    def val(self) -> dict[str, Any]:
        """Validate once; returns the metrics."""
        if self.val_loop is None:
            raise BuildError("there is no validation: give val_dataloader, val_cfg and val_evaluator")
        return self._evaluate(self.val_loop)

    def test(self) -> dict[str, Any]:
        """Test once; returns the metrics."""
        if self.test_loop is None:
            raise BuildError("there is no test: give test_dataloader, test_cfg and test_evaluator")
        return self._evaluate(self.test_loop)

    def _evaluate(self, loop: EvaluationLoop) -> dict[str, Any]:
        with self.message_hub.current(), self.logger.current(), self.visualizer.current():
            self.call_hook("before_run")
            self._initialized |= self._fields["init_weights_for_test_or_val"] is False
            self._init_weights()
            self._load_or_resume(weights_only=True)
            metrics = loop.run()
            self.call_hook("after_run")
        return metrics

    def _init_weights(self) -> None:
        """Initialize the weights once, from the training stream whatever hooks drew before."""
        if self._initialized:
            return
        self._initialized = True
        self.streams.enter_step(0)
        assemble.init_weights(self.unwrapped_model)
        self.streams.capture()

    def _initialize_early(self, model: nn.Module) -> None:
        """Initialize a model that is about to be spread, with the numbers that it would draw later."""
        self.streams.capture()
        self._initialized = True
        self.streams.enter_step(0)
        assemble.init_weights(model)
        self.streams.leave_step()

    # ---- checkpoints -------------------------------------------------------------------------------------------------

    def _load_or_resume(self, *, weights_only: bool = False) -> None:
        """Load what the fields ask for, where nothing was loaded yet."""
        wants_to_resume = self._resume is not False
        if self._resumed or (self._has_loaded and (weights_only or not wants_to_resume)):
            return
        found = self._find_checkpoint() if wants_to_resume else self._weights()
        self._require_same(found)
        if found is None:
            if wants_to_resume:
                self.logger.info(
                    f"no checkpoint in {self.store.folder} yet: {'nothing is loaded' if weights_only else 'training starts afresh'}"
                )
        elif wants_to_resume and not weights_only:
            self.resume(str(found))
        else:
            self.load_checkpoint(str(found))

    def load_checkpoint(
        self,
        filename: str,
        map_location: str = "cpu",
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = ((r"^module\.", ""),),
    ) -> dict[str, Any]:
        """Load weights.

        Args:
            filename: A checkpoint of ours, of MMEngine or MMCV, or a bare state dict.
            map_location: The device that tensors are read to.
            strict: Whether a missing or unexpected key is an error rather than a warning.
            revise_keys: Pairs of (pattern, replacement) for the keys of the state dict.

        Returns:
            The whole checkpoint.
        """
        self._init_weights()
        self._has_loaded = True
        return snapshot.load_weights(self, filename, map_location=map_location, strict=strict, revise_keys=revise_keys)

    def resume(self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True) -> None:
        """Go on from a checkpoint, as if the run had not been interrupted.

        Args:
            filename: The checkpoint.
            resume_optimizer: Whether the optimizer's state is taken from it too.
            resume_param_scheduler: Whether the schedulers' positions are taken from it too.
        """
        self._build_optimization()
        self._init_weights()
        self._resumed = self.is_resuming = True
        try:
            snapshot.restore(
                self, filename, resume_optimizer=resume_optimizer, resume_param_scheduler=resume_param_scheduler
            )
        finally:
            self.is_resuming = False

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,  # noqa: ARG002
        *,
        options: SaveOptions | None = None,
    ) -> None:
        """Write a checkpoint that the run can go on from. Every rank calls this; rank 0 writes.

        Args:
            out_dir: The folder, or its address.
            filename: The file's name in it.
            save_optimizer: Whether the optimizer's state goes in.
            save_param_scheduler: Whether the schedulers' positions go in.
            meta: More for the key `meta`.
            by_epoch: Taken for MMEngine's sake; what has just ended is known without it.
            options: Whether it is written in the background, and what comes after.

        Raises:
            SaveError: It could not be written; on every rank.
        """
        with self.hooks.phase(self, "saves a checkpoint"):
            snapshot.save(
                self,
                place(out_dir) / filename,
                save_optimizer=save_optimizer,
                save_param_scheduler=save_param_scheduler,
                meta=meta or {},
                options=options or SaveOptions(),
            )
