"""Models that plugins list by name: a `model-index.yml` in the folder of configs that a plugin ships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.infer.metafile import listed_models, read_metafile, weights_of
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
    for file in read_metafile(folder / _INDEX).get("Import") or ():
        for model in listed_models(folder / file):
            alias = model.get("Alias") or []
            names = (str(model["Name"]), *([alias] if isinstance(alias, str) else map(str, alias)))
            yield ZooModel(names=names, config=folder / str(model["Config"]), weights=weights_of(model, folder))
