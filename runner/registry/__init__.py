"""MMEngine's registries, as a thin face on the catalog: `@METRICS.register_module()`, `.get(name)`, `.build(cfg)`.

They are for code of the same process; an installed package offers its components through its entry point.

registry.py   `Registry`
scope.py      whose components win
building.py   building from a mapping
counting.py   what there is
"""

from __future__ import annotations

from runner.registry.building import (
    build_from_cfg,
    build_model_from_cfg,
    build_runner_from_cfg,
    build_scheduler_from_cfg,
)
from runner.registry.counting import count_registered_modules, traverse_registry_tree
from runner.registry.registry import Registry
from runner.registry.scope import DefaultScope, init_default_scope

__all__ = [
    "DATASETS",
    "DATA_SAMPLERS",
    "EVALUATOR",
    "FUNCTIONS",
    "HOOKS",
    "INFERENCERS",
    "LAUNCHERS",
    "LOG_PROCESSORS",
    "LOOPS",
    "METRICS",
    "MODELS",
    "MODEL_WRAPPERS",
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "RUNNERS",
    "STORAGES",
    "STRATEGIES",
    "TASK_UTILS",
    "TRANSFORMS",
    "VISBACKENDS",
    "VISUALIZERS",
    "WEIGHT_INITIALIZERS",
    "DefaultScope",
    "Registry",
    "build_from_cfg",
    "build_model_from_cfg",
    "build_runner_from_cfg",
    "build_scheduler_from_cfg",
    "count_registered_modules",
    "init_default_scope",
    "traverse_registry_tree",
]

RUNNERS = Registry("RUNNERS", build_runner_from_cfg)
STRATEGIES = Registry("STRATEGIES")
LOOPS = Registry("LOOPS")
HOOKS = Registry("HOOKS")
MODELS = Registry("MODELS", build_model_from_cfg)
MODEL_WRAPPERS = Registry("MODEL_WRAPPERS")
WEIGHT_INITIALIZERS = Registry("WEIGHT_INITIALIZERS")
OPTIMIZERS = Registry("OPTIMIZERS")
OPTIM_WRAPPERS = Registry("OPTIM_WRAPPERS")
OPTIM_WRAPPER_CONSTRUCTORS = Registry("OPTIM_WRAPPER_CONSTRUCTORS")
PARAM_SCHEDULERS = Registry("PARAM_SCHEDULERS", build_scheduler_from_cfg)
DATASETS = Registry("DATASETS")
DATA_SAMPLERS = Registry("DATA_SAMPLERS")
TRANSFORMS = Registry("TRANSFORMS")
FUNCTIONS = Registry("FUNCTIONS")
EVALUATOR = Registry("EVALUATOR")
METRICS = Registry("METRICS")
VISUALIZERS = Registry("VISUALIZERS")
VISBACKENDS = Registry("VISBACKENDS")
LOG_PROCESSORS = Registry("LOG_PROCESSORS")
LAUNCHERS = Registry("LAUNCHERS")
STORAGES = Registry("STORAGES")
INFERENCERS = Registry("INFERENCERS")
TASK_UTILS = Registry("TASK_UTILS")
