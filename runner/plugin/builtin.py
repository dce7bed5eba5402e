"""Our own components, offered through our own entry point: the same door as everyone's.

Nobody imports this module; the entry point `runner` of the distribution `yaml-runner` names it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

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
    "metric": {"DumpResults": "runner.evaluator.dump:DumpResults"},
    "visualizer": {"Visualizer": "runner.visualization.visualizer:Visualizer"},
    "vis_backend": {"LocalVisBackend": "runner.visualization.vis_backend:LocalVisBackend"},
    "log_processor": {"LogProcessor": "runner.logging.log_processor:LogProcessor"},
}

_NOT_NEGATIVE: dict[str, Any] = {"minimum": 0}
_POSITIVE = {"exclusiveMinimum": 0}
_BETAS: dict[str, Any] = {"items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}}
_DECAYED: dict[str, dict[str, Any]] = {"lr": _NOT_NEGATIVE, "weight_decay": _NOT_NEGATIVE}
_ADAM = {**_DECAYED, "betas": _BETAS, "eps": _NOT_NEGATIVE}

_OPTIMIZERS: dict[str, dict[str, dict[str, Any]]] = {
    "ASGD": _DECAYED,
    "Adadelta": {**_DECAYED, "rho": {"minimum": 0, "maximum": 1}, "eps": _NOT_NEGATIVE},
    "Adafactor": {**_DECAYED, "beta2_decay": {"maximum": 0}, "d": {"minimum": 1}},
    "Adagrad": {
        **_DECAYED,
        "eps": _NOT_NEGATIVE,
        "initial_accumulator_value": _NOT_NEGATIVE,
        "lr_decay": _NOT_NEGATIVE,
    },
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Adamax": _ADAM,
    "LBFGS": {"lr": _NOT_NEGATIVE, "line_search_fn": {"enum": ["strong_wolfe", None]}},
    "NAdam": {**_ADAM, "momentum_decay": _NOT_NEGATIVE},
    "RAdam": _ADAM,
    "RMSprop": {**_DECAYED, "alpha": _NOT_NEGATIVE, "eps": _NOT_NEGATIVE, "momentum": _NOT_NEGATIVE},
    "Rprop": {
        "lr": _NOT_NEGATIVE,
        "etas": {
            "prefixItems": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {"type": "number", "exclusiveMinimum": 1},
            ]
        },
    },
    "SGD": {**_DECAYED, "momentum": _NOT_NEGATIVE},
    "SparseAdam": {"lr": _POSITIVE, "betas": _BETAS, "eps": _POSITIVE},
}
"""torch's optimizers, and what their constructors refuse although the annotations allow it."""

_MUON: dict[str, dict[str, Any]] = {
    **_DECAYED,
    "adjust_lr_fn": {"enum": ["original", "match_rms_adamw", None]},
    "momentum": _NOT_NEGATIVE,
}

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
    for name, bounds in _OPTIMIZERS.items():
        catalog.optimizer(name, f"torch.optim:{name}", schema={"properties": bounds})
    if tuple(map(int, version("torch").split(".")[:2])) >= (2, 9):
        catalog.optimizer("Muon", "torch.optim:Muon", schema={"properties": _MUON})
    for family, module in _SCHEDULERS.items():
        for target in ("LR", "Momentum", "ParamScheduler"):
            catalog.param_scheduler(f"{family}{target}", f"runner.optim.scheduler.{module}:{family}{target}")
