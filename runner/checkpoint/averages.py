"""Where a checkpoint of a run with `EMAHook` keeps the weights that were trained, and where their average."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["AVERAGES", "exchange_averages"]

AVERAGES: Final = "ema_state_dict"
"""MMEngine's key. As it is written, `state_dict` holds the average, for whoever uses the model; here is the rest."""
_PREFIX: Final = "module."


def exchange_averages(checkpoint: dict[str, Any]) -> None:
    """Exchange, in place, the weights in `state_dict` with those in `ema_state_dict`.

    Args:
        checkpoint: One that has both.
    """
    weights, averages = checkpoint["state_dict"], checkpoint[AVERAGES]
    for key in averages:
        name = key.removeprefix(_PREFIX)
        if key.startswith(_PREFIX) and name in weights:
            weights[name], averages[key] = averages[key], weights[name]
