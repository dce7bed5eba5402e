"""Train PyTorch models from one strict YAML file.

The map of the house, from a text to a trained model:

- `errors`: the exceptions, and `Problem` and `Location`, what is said about a mistake
- `kinds`: the roles that a component can play; `masking`: what the environment brought in, kept out of texts;
  `file_names`: names of files from a config
- `config`: text to `Config`, each value with its origin; `config.layout`: a text in order (`runner format`)
- `plugin`: who provides what; `registry` is MMEngine's face on it
- `signature`: a constructor, read from its source, to parameters
- `validation`: a config to its problems
- `editor`: the schema where editors find it; `starter`: configs to start from
- `cli`: the commands

Above this line nothing imports torch. Below it:

- `runner`: `Runner`, which holds the built parts and runs the loops, `setup`: what it stands in; `flexible`: MMEngine's
  other name for it
- `build`: resolves a type into a class and builds it, `conversion`: what a config's value becomes for it; `assemble`: the
  parts of a run from their top-level fields
- `custom_imports`: the user's own files beside a config; `environment`: what surrounds a run; `hub`: configs that packages
  ship, and their models
- `loops`, `hooks`, `optim`, `dataset`, `model`, `evaluator`, `visualization`, `logging`: a contract each, and what
  fulfils it
- `checkpoint`: the format, the atomic store, the loader, a run as a checkpoint
- `dist`, `device`: processes and devices; `strategy`: how a model is spread over them
- `watch`: standing by a run that a command started: signals, and signs that it hangs
- `trial`, `dry_run`, `plan`, `verify`: a run built, cut short, shown, or killed and compared, before it is begun in earnest
- `infer`: a trained model made easy to call; `export`: one as a program of its own; `analysis`: how large it is
- `fileio`: files wherever they are; `structures`: what a sample holds; `utils`: MMEngine's small functions;
  `testing`: MMEngine's helpers for tests

The public names are imported when they are first asked for, so that `import runner` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.checkpoint import CheckpointStore, find_latest_checkpoint, load_checkpoint, load_state_dict
    from runner.config import Config, ConfigDict, DictAction
    from runner.dataset import set_random_seed
    from runner.environment import collect_env
    from runner.errors import (
        BuildError,
        CheckpointError,
        ConfigError,
        DamagedCheckpoint,
        LaunchError,
        Location,
        LossSpikeError,
        NonFiniteError,
        PluginError,
        Problem,
        RegistryError,
        RunnerError,
        SaveError,
        SignatureError,
        StorageError,
        WorkDirInUse,
    )
    from runner.flexible import FlexibleRunner
    from runner.hooks import Hook, Priority, get_priority
    from runner.kinds import Interval, Slot, TypeName
    from runner.logging import HistoryBuffer, LogProcessor, MessageHub, MMLogger, print_log, read_scalars
    from runner.loops import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
    from runner.plugin.hookspecs import hookimpl
    from runner.registry import (
        DATA_SAMPLERS,
        DATASETS,
        EVALUATOR,
        FUNCTIONS,
        HOOKS,
        INFERENCERS,
        LAUNCHERS,
        LOG_PROCESSORS,
        LOOPS,
        METRICS,
        MODEL_WRAPPERS,
        MODELS,
        OPTIM_WRAPPER_CONSTRUCTORS,
        OPTIM_WRAPPERS,
        OPTIMIZERS,
        PARAM_SCHEDULERS,
        RUNNERS,
        STORAGES,
        STRATEGIES,
        TASK_UTILS,
        TRANSFORMS,
        VISBACKENDS,
        VISUALIZERS,
        WEIGHT_INITIALIZERS,
        Registry,
    )
    from runner.runner import Runner

_HOMES = {
    "BaseLoop": "runner.loops",
    "BuildError": "runner.errors",
    "CheckpointError": "runner.errors",
    "CheckpointStore": "runner.checkpoint",
    "Config": "runner.config",
    "ConfigDict": "runner.config",
    "ConfigError": "runner.errors",
    "DATASETS": "runner.registry",
    "DATA_SAMPLERS": "runner.registry",
    "DamagedCheckpoint": "runner.errors",
    "DictAction": "runner.config",
    "EVALUATOR": "runner.registry",
    "EpochBasedTrainLoop": "runner.loops",
    "FUNCTIONS": "runner.registry",
    "FlexibleRunner": "runner.flexible",
    "HOOKS": "runner.registry",
    "HistoryBuffer": "runner.logging",
    "Hook": "runner.hooks",
    "INFERENCERS": "runner.registry",
    "Interval": "runner.kinds",
    "IterBasedTrainLoop": "runner.loops",
    "LAUNCHERS": "runner.registry",
    "LOG_PROCESSORS": "runner.registry",
    "LOOPS": "runner.registry",
    "LaunchError": "runner.errors",
    "Location": "runner.errors",
    "LogProcessor": "runner.logging",
    "METRICS": "runner.registry",
    "MMLogger": "runner.logging",
    "MODELS": "runner.registry",
    "MODEL_WRAPPERS": "runner.registry",
    "MessageHub": "runner.logging",
    "LossSpikeError": "runner.errors",
    "NonFiniteError": "runner.errors",
    "OPTIMIZERS": "runner.registry",
    "OPTIM_WRAPPERS": "runner.registry",
    "OPTIM_WRAPPER_CONSTRUCTORS": "runner.registry",
    "PARAM_SCHEDULERS": "runner.registry",
    "PluginError": "runner.errors",
    "Priority": "runner.hooks",
    "Problem": "runner.errors",
    "RUNNERS": "runner.registry",
    "Registry": "runner.registry",
    "RegistryError": "runner.errors",
    "Runner": "runner.runner",
    "RunnerError": "runner.errors",
    "STORAGES": "runner.registry",
    "STRATEGIES": "runner.registry",
    "SaveError": "runner.errors",
    "SignatureError": "runner.errors",
    "StorageError": "runner.errors",
    "Slot": "runner.kinds",
    "TASK_UTILS": "runner.registry",
    "TRANSFORMS": "runner.registry",
    "TestLoop": "runner.loops",
    "TypeName": "runner.kinds",
    "VISBACKENDS": "runner.registry",
    "VISUALIZERS": "runner.registry",
    "ValLoop": "runner.loops",
    "WEIGHT_INITIALIZERS": "runner.registry",
    "WorkDirInUse": "runner.errors",
    "collect_env": "runner.environment",
    "find_latest_checkpoint": "runner.checkpoint",
    "get_priority": "runner.hooks",
    "hookimpl": "runner.plugin.hookspecs",
    "load_checkpoint": "runner.checkpoint",
    "load_state_dict": "runner.checkpoint",
    "print_log": "runner.logging",
    "read_scalars": "runner.logging",
    "set_random_seed": "runner.dataset",
}

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
    "BaseLoop",
    "BuildError",
    "CheckpointError",
    "CheckpointStore",
    "Config",
    "ConfigDict",
    "ConfigError",
    "DamagedCheckpoint",
    "DictAction",
    "EpochBasedTrainLoop",
    "FlexibleRunner",
    "HistoryBuffer",
    "Hook",
    "Interval",
    "IterBasedTrainLoop",
    "LaunchError",
    "Location",
    "LogProcessor",
    "LossSpikeError",
    "MMLogger",
    "MessageHub",
    "NonFiniteError",
    "PluginError",
    "Priority",
    "Problem",
    "Registry",
    "RegistryError",
    "Runner",
    "RunnerError",
    "SaveError",
    "SignatureError",
    "Slot",
    "StorageError",
    "TestLoop",
    "TypeName",
    "ValLoop",
    "WorkDirInUse",
    "collect_env",
    "find_latest_checkpoint",
    "get_priority",
    "hookimpl",
    "load_checkpoint",
    "load_state_dict",
    "print_log",
    "read_scalars",
    "set_random_seed",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'runner' has no attribute '{name}'")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
