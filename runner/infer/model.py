"""A config's model, built alone."""

from __future__ import annotations

from typing import Any

from torch import nn

from runner.build import Builder
from runner.config import Config

__all__ = ["built_model"]


def built_model(builder: Builder, cfg: Config) -> nn.Module:
    """Build a config's model with its preprocessor, without what its constructor would load: weights come afterwards.

    Args:
        builder: Builds components.
        cfg: The config.
    """
    data = cfg.to_dict()
    arguments: dict[str, Any] = {key: value for key, value in data["model"].items() if key != "pretrained"}
    if data.get("data_preprocessor") is not None:
        arguments = {"data_preprocessor": data["data_preprocessor"], **arguments}
    model: nn.Module = builder.build("model", arguments, ("model",))
    return model
