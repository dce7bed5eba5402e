"""Models that plugins list by name: a `model-index.yml` in the folder of configs that a plugin ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.plugin import default_plugins

__all__ = ["ZooModel", "find_model", "models"]

_INDEX = "model-index.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """A model on offer.

    Attributes:
        names: Its name, and other names for it.
        config: Its config.
        weights: A checkpoint's path or address; None where only the config is offered.
    """

    names: tuple[str, ...]
    config: Path
    weights: str | None


def models(scope: str | None = None) -> Iterator[ZooModel]:
    """The models of a plugin, or of all.

    The index lists files under `Import`, each of which has `Models` with `Name`, `Alias`, `Config` and `Weights`, as
    OpenMMLab's do; paths are relative to the index.

    Args:
        scope: The plugin's name.

    Raises:
        RunnerError: There is no such plugin, or it lists no models.
    """
    plugins = default_plugins()
    names = [plugin.name for plugin in plugins.found]
    if scope is not None and scope not in names:
        raise RunnerError(f"no installed plugin is called {scope!r}; there are {', '.join(names)}")
    found = False
    for name in names if scope is None else [scope]:
        folder = plugins.bases(name)
        if folder is not None and (folder / _INDEX).is_file():
            found = True
            yield from _listed(folder)
    if scope is not None and not found:
        raise RunnerError(f"the plugin {scope!r} lists no models: it has no {_INDEX} in its folder of configs")


def find_model(name: str, scope: str | None = None) -> ZooModel:
    """A model by one of its names, in whatever case.

    Raises:
        RunnerError: There is none.
    """
    offered = list(models(scope))
    for model in offered:
        if name.lower() in (each.lower() for each in model.names):
            return model
    known = ", ".join(sorted(each for model in offered for each in model.names)) or "none"
    raise RunnerError(f"'{name}' is no config file, and no plugin lists a model of that name; there are {known}")


def _listed(folder: Path) -> Iterator[ZooModel]:
    from runner.fileio import load

    index: Any = load(str(folder / _INDEX), file_format="yml")
    for file in index.get("Import") or ():
        content: Any = load(str(folder / file), file_format="yml")
        for model in content.get("Models") or ():
            yield _model(model, folder)


def _model(model: Mapping[str, Any], folder: Path) -> ZooModel:
    alias, weights = model.get("Alias") or [], model.get("Weights")
    weights = weights[0] if isinstance(weights, list) and weights else weights or None
    if weights is not None and "://" not in weights:
        weights = str(folder / weights)
    names = (str(model["Name"]), *([alias] if isinstance(alias, str) else map(str, alias)))
    return ZooModel(names=names, config=folder / str(model["Config"]), weights=weights)
