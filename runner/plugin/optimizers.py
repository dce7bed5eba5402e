"""Optimizers of other packages that know nothing of this one: offered where the package is installed.

A name means the same whatever else is installed: where two packages have a class of one name, or torch has one, that of
`timm` and `bitsandbytes` has a prefix (`timm_Lion`, `bnb_Adam`, as MMEngine calls it). Nothing is imported to find out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

__all__ = ["THIRD_PARTY", "installed"]


def _named(module: str, names: str, clashing: str = "", prefix: str = "") -> Mapping[str, str]:
    """Targets by name: classes under their own names, and those that would clash with a prefix."""
    found = {name: f"{module}:{name}" for name in names.split()}
    found.update({f"{prefix}{name}": f"{module}:{name}" for name in clashing.split()})
    return MappingProxyType(found)


THIRD_PARTY: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bitsandbytes": _named(
            "bitsandbytes.optim",
            "Adagrad8bit Adagrad32bit Adam8bit Adam32bit PagedAdam PagedAdam8bit PagedAdam32bit AdamW8bit AdamW32bit "
            "PagedAdamW PagedAdamW8bit PagedAdamW32bit LAMB LAMB8bit LAMB32bit LARS LARS8bit LARS32bit PytorchLARS "
            "Lion8bit Lion32bit PagedLion PagedLion8bit PagedLion32bit RMSprop8bit RMSprop32bit SGD8bit SGD32bit",
            "Adagrad Adam AdamW Lion RMSprop SGD",
            "bnb_",
        ),
        "dadaptation": _named("dadaptation", "DAdaptAdaGrad DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD"),
        "lion-pytorch": _named("lion_pytorch", "Lion"),
        "prodigyopt": _named("prodigyopt", "Prodigy"),
        "sophia-opt": _named("sophia_opt", "SophiaG"),
        "timm": _named(
            "timm.optim",
            "AdaBelief AdafactorBigVision Adahessian AdamP Adan Adopt Lamb LaProp Lars MADGRAD Mars NAdamW NvNovoGrad "
            "RMSpropTF SGDP SGDW",
            "Adafactor Lion",
            "timm_",
        ),
        "transformers": _named("transformers.optimization", "Adafactor"),
    }
)
"""Targets by the name that a config gives, by the distribution that brings them."""


def installed() -> Iterator[tuple[str, str]]:
    """The names and targets of what is installed."""
    for distribution, targets in THIRD_PARTY.items():
        try:
            version(distribution)
        except PackageNotFoundError:
            continue
        yield from targets.items()
