"""Metafiles, as OpenMMLab's packages ship them: lists of models, each with its config and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

__all__ = ["listed_models", "read_metafile", "weights_of"]


def read_metafile(file: Path) -> Mapping[str, Any]:
    """Read a metafile, or an index of them.

    Raises:
        RunnerError: It is no mapping.
    """
    from runner.fileio import load

    content = load(str(file), file_format="yml")
    if not isinstance(content, Mapping):
        raise RunnerError(f"{file} must be a mapping, with 'Models' or 'Import'; it is a {type(content).__name__}")
    return content


def listed_models(file: Path) -> list[Mapping[str, Any]]:
    """The models that a metafile lists under `Models`.

    Raises:
        RunnerError: They are no list of mappings.
    """
    models = read_metafile(file).get("Models") or []
    if not isinstance(models, list) or not all(isinstance(model, Mapping) for model in models):
        raise RunnerError(f"{file}: 'Models' must be a list of mappings, each with 'Name', 'Config' and 'Weights'")
    return models


def weights_of(model: Mapping[str, Any], folder: Path) -> str | None:
    """A model's weights: an address, or the whole path of a file; of several the first, None for none.

    Args:
        model: What a metafile says of it.
        folder: The folder that a relative path starts from.
    """
    weights = model.get("Weights")
    weights = weights[0] if isinstance(weights, list) and weights else weights
    if not weights:
        return None
    return str(weights) if "://" in str(weights) else str((folder / str(weights)).resolve())
