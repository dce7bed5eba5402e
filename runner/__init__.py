"""Train PyTorch models from one strict YAML file.

The map of the house, from a text to a trained model:

- `errors`: the exceptions, and `Problem` and `Location`, what is said about a mistake
- `kinds`: the roles that a component can play
- `config`: text to `Config`, each value with its origin
- `plugin`: who provides what; `registry` is MMEngine's face on it
- `signature`: a constructor, read from its source, to parameters
- `validation`: a config to its problems
- `cli`: the commands

Above this line nothing imports torch. Below it:

- `runner`: `Runner`, which holds the built parts and runs the loops
- `build`: resolves a type into a class and builds it; `assemble`: the parts of a run from their top-level fields
- `custom_imports`: the user's own files beside a config; `environment`: what surrounds a run
- `loops`, `hooks`, `optim`, `dataset`, `model`, `evaluator`, `visualization`, `logging`: a contract each, and what
  fulfils it
- `dist`, `device`: processes and devices
- `checkpoint`: the format, the atomic store, the loader, a run as a checkpoint

The public names are imported when they are first asked for, so that `import runner` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.checkpoint import CheckpointStore, load_checkpoint
    from runner.config import Config, ConfigDict
    from runner.dataset import set_random_seed
    from runner.errors import (
        BuildError,
        CheckpointError,
        ConfigError,
        DamagedCheckpoint,
        LaunchError,
        Location,
        PluginError,
        Problem,
        RegistryError,
        RunnerError,
        SignatureError,
    )
    from runner.hooks import Hook, Priority, get_priority
    from runner.kinds import Interval, Slot
    from runner.logging import LogProcessor, MessageHub, MMLogger, print_log, read_scalars
    from runner.loops import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
    from runner.plugin import hookimpl
    from runner.runner import Runner

_HOMES = {
    "BaseLoop": "runner.loops",
    "BuildError": "runner.errors",
    "CheckpointError": "runner.errors",
    "CheckpointStore": "runner.checkpoint",
    "Config": "runner.config",
    "ConfigDict": "runner.config",
    "ConfigError": "runner.errors",
    "DamagedCheckpoint": "runner.errors",
    "EpochBasedTrainLoop": "runner.loops",
    "Hook": "runner.hooks",
    "Interval": "runner.kinds",
    "IterBasedTrainLoop": "runner.loops",
    "LaunchError": "runner.errors",
    "Location": "runner.errors",
    "LogProcessor": "runner.logging",
    "MMLogger": "runner.logging",
    "MessageHub": "runner.logging",
    "PluginError": "runner.errors",
    "Priority": "runner.hooks",
    "Problem": "runner.errors",
    "RegistryError": "runner.errors",
    "Runner": "runner.runner",
    "RunnerError": "runner.errors",
    "SignatureError": "runner.errors",
    "Slot": "runner.kinds",
    "TestLoop": "runner.loops",
    "ValLoop": "runner.loops",
    "get_priority": "runner.hooks",
    "hookimpl": "runner.plugin.hookspecs",
    "load_checkpoint": "runner.checkpoint",
    "print_log": "runner.logging",
    "read_scalars": "runner.logging",
    "set_random_seed": "runner.dataset",
}

__all__ = [
    "BaseLoop",
    "BuildError",
    "CheckpointError",
    "CheckpointStore",
    "Config",
    "ConfigDict",
    "ConfigError",
    "DamagedCheckpoint",
    "EpochBasedTrainLoop",
    "Hook",
    "Interval",
    "IterBasedTrainLoop",
    "LaunchError",
    "Location",
    "LogProcessor",
    "MMLogger",
    "MessageHub",
    "PluginError",
    "Priority",
    "Problem",
    "RegistryError",
    "Runner",
    "RunnerError",
    "SignatureError",
    "Slot",
    "TestLoop",
    "ValLoop",
    "get_priority",
    "hookimpl",
    "load_checkpoint",
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
