"""Configs that installed packages ship, and the models that they describe: `package::path/in/it.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from runner.build import Builder
from runner.checkpoint import load_checkpoint
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.errors import BuildError, RegistryError
from runner.infer.metafile import listed_models, weights_of
from runner.model import BaseModule
from runner.plugin import default_plugins

__all__ = ["get_config", "get_model"]

_METAFILE = "metafile.yml"


def get_config(cfg_path: str, pretrained: bool = False) -> Config:
    """Read a config that an installed package ships.

    Args:
        cfg_path: `package::path/in/it.yaml`; the ending may be left out.
        pretrained: Whether `load_from` is set to the weights that belong to the config: those that a `metafile.yml` names
            beside the config or above it (`Models: [{Config: path, Weights: file or URL}]`), else the config's own.

    Raises:
        RegistryError: No installed package of that name ships configs, or it has no such config.
        BuildError: There are no weights.
        ConfigError: The config's text has mistakes.
    """
    file, folder = _find(cfg_path)
    config = Config.fromfile(file)
    if pretrained:
        weights = next(_weights(file, folder), None) or config.get("load_from")
        if weights is None:
            raise BuildError(
                f"{cfg_path} comes without weights: no {_METAFILE} from its folder up to {folder} names it with "
                "'Weights', and it has no 'load_from'"
            )
        config.load_from = weights
    return config


def get_model(cfg_path: str, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build the model of a config that an installed package ships.

    Args:
        cfg_path: `package::path/in/it.yaml`; the ending may be left out.
        pretrained: Whether the weights that belong to the config are loaded.
        **kwargs: Arguments of the model where the config gives none.

    Raises:
        RegistryError: No installed package of that name ships configs, or it has no such config.
        BuildError: The model can't be built, or there are no weights.
        CheckpointError: The weights can't be read.
    """
    config = get_config(cfg_path, pretrained)
    run_custom_imports(config)
    fields: dict[str, Any] = config.to_dict()
    cfg = {**kwargs, **fields["model"]}
    if fields.get("data_preprocessor") is not None:
        cfg.setdefault("data_preprocessor", fields["data_preprocessor"])
    scope = fields.get("default_scope") or cfg_path.partition("::")[0]
    model: nn.Module = Builder(scope=scope).build("model", cfg, ("model",))
    if pretrained:
        from runner.fileio import get_local_path

        with get_local_path(fields["load_from"]) as file:
            load_checkpoint(model, file)
        if isinstance(model, BaseModule):
            model.is_init = True  # or a Runner would fill the weights anew
    return model


def _find(cfg_path: str) -> tuple[Path, Path]:
    """The file of a config, and the folder of its package's configs."""
    package, separator, inner = cfg_path.partition("::")
    if not separator or not inner:
        raise RegistryError(f"'{cfg_path}' names no package's config; write package::path/in/it.yaml")
    folder = default_plugins().bases(package)
    if folder is None:
        raise RegistryError(f"no installed package '{package}' offers configs; install the plugin that ships them")
    root = folder.resolve()
    for name in (inner, f"{inner}.yaml", f"{inner}.yml", f"{inner}.json"):
        file = (root / name).resolve()
        if file.is_file() and file.is_relative_to(root):
            return file, root
    there = sorted(each.relative_to(root).as_posix() for each in root.rglob("*.yaml"))
    raise RegistryError(f"'{package}' offers no config '{inner}'; it offers {', '.join(there[:20]) or 'none'}")


def _weights(file: Path, root: Path) -> Iterator[str]:
    """What the metafiles name for a config, the nearest first; a relative path is turned into a whole one."""
    for folder in file.parents:
        if not folder.is_relative_to(root):
            return
        metafile = folder / _METAFILE
        for model in listed_models(metafile) if metafile.is_file() else ():
            weights, told = weights_of(model, folder), str(model.get("Config", ""))
            if weights and told and file in {(base / told).resolve() for base in (folder, root, root.parent)}:
                yield weights
