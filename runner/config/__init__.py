"""From text to a config: YAML or JSON with bases, variables and overrides, in which each value knows its place.

A text is parsed (`document.py`, `json_text.py`) into a tree of nodes with places (`builder.py`, `nodes.py`), laid over
its bases (`bases.py`, `merge.py`), changed by the command line (`overrides.py`), and its interpolations are resolved
(`interpolate.py`): that is `compose`. `Config` is the result with attribute access, which Python code may change and
which is written as YAML (`emit.py`). Which files are configs is said by `find.py`, what differs between two by `compare.py`,
and `layout/` puts a file's text in order. `dict_action.py` is for scripts that use argparse. Nothing here imports torch, and ruamel.yaml only when there is YAML to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.config.compose import Composition, compose
from runner.config.config import Config
from runner.config.config_dict import ConfigDict

if TYPE_CHECKING:
    from runner.config.dict_action import DictAction

__all__ = ["Composition", "Config", "ConfigDict", "DictAction", "compose"]


def __getattr__(name: str) -> Any:
    if name == "DictAction":  # argparse takes its time to import, and few ask for it
        from runner.config.dict_action import DictAction

        return DictAction
    raise AttributeError(f"module 'runner.config' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
