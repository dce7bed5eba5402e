"""From text to a config: YAML or JSON with bases, variables and overrides, in which each value knows its place.

A text is parsed (`document.py`, `json_text.py`) into a tree of nodes with places (`builder.py`, `nodes.py`), laid over
its bases (`bases.py`, `merge.py`), changed by the command line (`overrides.py`), and its interpolations are resolved
(`interpolate.py`): that is `compose`. `Config` is the result with attribute access, which Python code may change and
which is written as YAML (`emit.py`). Which files are configs is said by `find.py`, what differs between two by `compare.py`,
and `layout/` puts a file's text in order. Nothing here imports torch, and ruamel.yaml only when there is YAML to read.
"""

from __future__ import annotations

from runner.config.compose import Composition, compose
from runner.config.config import Config
from runner.config.config_dict import ConfigDict

__all__ = ["Composition", "Config", "ConfigDict", "compose"]
