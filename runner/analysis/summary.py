"""The size of the model that a config describes, and what one sample costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import nn

from runner.analysis.analyzers import ActivationAnalyzer, FlopAnalyzer, parameter_count
from runner.analysis.tables import complexity_stats_table, format_size
from runner.build import Builder
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.dataset import pseudo_collate
from runner.errors import BuildError

__all__ = ["Summary", "summarize"]

_LOADERS = ("test_dataloader", "val_dataloader", "train_dataloader")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A model's counts.

    Attributes:
        model: Its class.
        loader: The loader whose samples it was called with.
        batch_size: How many samples it was called with.
        parameters: How many there are.
        trained: How many of them are trained.
        flops: The count of FLOPs.
        activations: The count of activations.
    """

    model: nn.Module
    loader: str
    batch_size: int
    parameters: int
    trained: int
    flops: FlopAnalyzer
    activations: ActivationAnalyzer

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        parameters, flops, activations = (
            parameter_count(self.model),
            self.flops.by_module(),
            self.activations.by_module(),
        )
        modules = [
            {
                "name": name,
                "parameters": parameters.get(name, 0),
                "flops": flops[name],
                "activations": activations[name],
            }
            for name, _ in self.model.named_modules()
            if name
        ]
        return {
            "model": type(self.model).__name__,
            "loader": self.loader,
            "batch_size": self.batch_size,
            "parameters": self.parameters,
            "trained": self.trained,
            "flops": self.flops.total(),
            "activations": self.activations.total(),
            "unsupported": dict(self.flops.unsupported_ops()),
            "modules": modules,
        }

    def to_text(self, max_depth: int) -> str:
        """For people: a table by module, and the sums.

        Args:
            max_depth: How many levels of modules are shown.
        """
        table = complexity_stats_table(self.flops, max_depth, self.activations, show_param_shapes=False)
        activations = format_size(self.activations.total())
        lines = [
            f"{type(self.model).__name__}: {self.parameters:,} parameters, {self.trained:,} of them trained",
            f"{self.batch_size} of {self.loader}: {format_size(self.flops.total())} FLOPs, {activations} activations",
            "a multiplication with its addition is one FLOP",
        ]
        unsupported = self.flops.unsupported_ops()
        if unsupported:
            lines.append("not counted: " + ", ".join(f"{name} ({times})" for name, times in unsupported.most_common()))
        return "\n".join([table, "", *lines])


def summarize(config: Config, batch_size: int = 1) -> Summary:
    """Build a config's model and count what its forward computes, in evaluation mode, for real samples on the CPU.

    Args:
        config: The config.
        batch_size: How many samples it is called with.

    Raises:
        BuildError: The config has no loader to take samples from, or a part can't be built.
    """
    run_custom_imports(config)
    fields: dict[str, Any] = config.to_dict()
    builder = Builder(scope=fields.get("default_scope"))
    cfg = fields["model"]
    if fields.get("data_preprocessor") is not None:
        cfg = {"data_preprocessor": fields["data_preprocessor"], **cfg}
    model: nn.Module = builder.build("model", cfg, ("model",)).eval()
    loader = next((name for name in _LOADERS if fields.get(name) is not None), None)
    if loader is None:
        raise BuildError(f"there are no samples to call the model with: give one of {', '.join(_LOADERS)}")
    inputs, size = _inputs(builder, model, fields[loader], loader, batch_size)
    flops, activations = FlopAnalyzer(model, inputs), ActivationAnalyzer(model, inputs)
    for each in (flops, activations):
        each.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return Summary(
        model=model,
        loader=loader,
        batch_size=size,
        parameters=sum(each.numel() for each in model.parameters()),
        trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
        flops=flops,
        activations=activations,
    )


def _inputs(builder: Builder, model: nn.Module, cfg: Mapping[str, Any], name: str, batch_size: int) -> tuple[Any, int]:
    """What the model's forward is called with for the first samples of a loader."""
    dataset: Any = builder.build("dataset", cfg["dataset"], (name, "dataset"))
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    if hasattr(dataset, "__getitem__"):
        samples = [dataset[index] for index in range(min(batch_size, len(dataset)))]
    else:
        samples = list(islice(iter(dataset), batch_size))
    collate: Any = builder.build("function", cfg.get("collate_fn") or pseudo_collate, (name, "collate_fn"))
    batch = collate(samples)
    preprocessor: Any = getattr(model, "data_preprocessor", None)
    if preprocessor is not None:
        batch = preprocessor(batch, False)
    return batch if isinstance(batch, Mapping | list | tuple) else (batch,), len(samples)
