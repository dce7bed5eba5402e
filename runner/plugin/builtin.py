"""Our own components, offered through our own entry point: the same door as everyone's.

Nobody imports this module; the entry point `runner` of the distribution `yaml-runner` names it.
"""

from __future__ import annotations

from importlib.metadata import version

from runner.plugin.catalog import Registration
from runner.plugin.hookspecs import hookimpl

_TABLE: dict[str, dict[str, str]] = {
    "runner": {"Runner": "runner.runner:Runner"},
    "loop": {
        "EpochBasedTrainLoop": "runner.loops.train:EpochBasedTrainLoop",
        "IterBasedTrainLoop": "runner.loops.train:IterBasedTrainLoop",
        "ValLoop": "runner.loops.evaluation:ValLoop",
        "TestLoop": "runner.loops.evaluation:TestLoop",
    },
    "hook": {
        "CheckpointHook": "runner.hooks.checkpoint:CheckpointHook",
        "DistSamplerSeedHook": "runner.hooks.sampler_seed:DistSamplerSeedHook",
        "IterTimerHook": "runner.hooks.iter_timer:IterTimerHook",
        "LoggerHook": "runner.hooks.logger:LoggerHook",
        "ParamSchedulerHook": "runner.hooks.param_scheduler:ParamSchedulerHook",
        "RuntimeInfoHook": "runner.hooks.runtime_info:RuntimeInfoHook",
    },
    "data_preprocessor": {
        "BaseDataPreprocessor": "runner.model.data_preprocessor:BaseDataPreprocessor",
        "ImgDataPreprocessor": "runner.model.data_preprocessor:ImgDataPreprocessor",
    },
    "model_wrapper": {"MMDistributedDataParallel": "runner.dist.ddp:MMDistributedDataParallel"},
    "optim_wrapper": {
        "AmpOptimWrapper": "runner.optim.amp:AmpOptimWrapper",
        "OptimWrapper": "runner.optim.optim_wrapper:OptimWrapper",
    },
    "optim_wrapper_constructor": {
        "DefaultOptimWrapperConstructor": "runner.optim.constructor:DefaultOptimWrapperConstructor",
    },
    "sampler": {
        "DefaultSampler": "runner.dataset.sampler:DefaultSampler",
        "InfiniteSampler": "runner.dataset.sampler:InfiniteSampler",
    },
    "batch_sampler": {"BatchSampler": "torch.utils.data:BatchSampler"},
    "function": {
        "default_collate": "runner.dataset.collate:default_collate",
        "pseudo_collate": "runner.dataset.collate:pseudo_collate",
        "worker_init_fn": "runner.dataset.worker:worker_init_fn",
    },
    "evaluator": {"Evaluator": "runner.evaluator.evaluator:Evaluator"},
    "visualizer": {"Visualizer": "runner.visualization.visualizer:Visualizer"},
    "vis_backend": {"LocalVisBackend": "runner.visualization.vis_backend:LocalVisBackend"},
    "log_processor": {"LogProcessor": "runner.logging.log_processor:LogProcessor"},
}

_OPTIMIZERS = (
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
)

_SCHEDULERS = {
    "Constant": "constant",
    "CosineAnnealing": "cosine",
    "Linear": "linear",
    "MultiStep": "multistep",
    "Poly": "poly",
    "Step": "step",
}


@hookimpl
def runner_register(catalog: Registration) -> None:
    """Offer the built-in components and torch's optimizers."""
    for kind, rows in _TABLE.items():
        for name, target in rows.items():
            catalog.add(kind, name, target)
    for name in _OPTIMIZERS:
        catalog.optimizer(name, f"torch.optim:{name}")
    if tuple(map(int, version("torch").split(".")[:2])) >= (2, 9):
        catalog.optimizer("Muon", "torch.optim:Muon")
    for family, module in _SCHEDULERS.items():
        for target in ("LR", "Momentum", "ParamScheduler"):
            catalog.param_scheduler(f"{family}{target}", f"runner.optim.scheduler.{module}:{family}{target}")
