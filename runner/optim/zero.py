"""An optimizer whose state is spread over the ranks (ZeRO, stage 1: https://arxiv.org/abs/1910.02054)."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import torch

from runner import dist
from runner.build import load_entry
from runner.errors import BuildError
from runner.kinds import TypeName
from runner.plugin import default_plugins

with warnings.catch_warnings():
    # The package scripts other optimizers as it is imported, which torch itself has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch.distributed.optim import ZeroRedundancyOptimizer as _ZeroRedundancyOptimizer

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(_ZeroRedundancyOptimizer):
    """Another optimizer, of whose state each rank keeps a share: it updates those parameters and sends them to the others.

    torch's own, with the optimizer given by its name. For models under DistributedDataParallel; the state is put
    together on rank 0 at each save, and loads at any number of ranks.

    Args:
        params: Parameters or groups of parameters.
        optimizer_type: The optimizer of each rank, such as `AdamW`.
        parameters_as_bucket_view: Send parameters in a few large pieces; needs more memory.
        **kwargs: The arguments of that optimizer.
    """

    def __init__(
        self,
        params: Any,
        optimizer_type: Annotated[str, TypeName("optimizer")],
        *,
        parameters_as_bucket_view: bool = False,
        **kwargs: Any,
    ) -> None:
        if not dist.is_distributed():
            raise BuildError(
                f"ZeroRedundancyOptimizer spreads its state over several processes, and there is one; start the run "
                f"with --launcher pytorch, or use {optimizer_type} itself"
            )
        super().__init__(
            list(params),
            _optimizer_class(optimizer_type),
            parameters_as_bucket_view=parameters_as_bucket_view,
            **kwargs,
        )

    def state_dict(self) -> dict[str, Any]:
        """The whole state on rank 0, nothing on the others. Every rank has to call it."""
        self.consolidate_state_dict()
        return super().state_dict() if dist.is_main_process() else {}


def _optimizer_class(name: str | type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    found: Any = load_entry(default_plugins().catalog.resolve("optimizer", name)) if isinstance(name, str) else name
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise BuildError(f"optimizer_type must name an optimizer, such as AdamW; got {name!r}")
    if issubclass(found, _ZeroRedundancyOptimizer):
        raise BuildError("optimizer_type must name the optimizer of each rank, which spreads nothing itself")
    return found
