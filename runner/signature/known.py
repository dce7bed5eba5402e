"""What is known without opening a file: names that are re-exported by heavy packages, and bases without arguments.

`torch/__init__.py` and `torch/nn/modules/module.py` take 45 ms to parse, and nearly every component names them.
A test holds each line against the installed torch.
"""

from __future__ import annotations

import sys

__all__ = ["CANONICAL", "MODULES", "NOT_OPENED", "PLAIN"]

CANONICAL: dict[str, str] = {
    "torch:Tensor": "torch._tensor:Tensor",
    "torch:Generator": "torch._C:Generator",
    "torch:Size": "torch._C:Size",
    "torch:device": "torch:device",
    "torch:dtype": "torch:dtype",
    "torch.types:Tensor": "torch._tensor:Tensor",
    "torch.nn:Module": "torch.nn.modules.module:Module",
    "torch.nn:ModuleList": "torch.nn.modules.container:ModuleList",
    "torch.nn:ModuleDict": "torch.nn.modules.container:ModuleDict",
    "torch.nn:Sequential": "torch.nn.modules.container:Sequential",
    "torch.nn:Parameter": "torch.nn.parameter:Parameter",
    "torch.nn.modules:Module": "torch.nn.modules.module:Module",
    "torch.nn.modules.module:Module": "torch.nn.modules.module:Module",
    "torch.optim:Optimizer": "torch.optim.optimizer:Optimizer",
    "torch.utils.data:BatchSampler": "torch.utils.data.sampler:BatchSampler",
    "torch.utils.data:DataLoader": "torch.utils.data.dataloader:DataLoader",
    "torch.utils.data:Dataset": "torch.utils.data.dataset:Dataset",
    "torch.utils.data:IterableDataset": "torch.utils.data.dataset:IterableDataset",
    "torch.utils.data:Sampler": "torch.utils.data.sampler:Sampler",
    "torch.utils.data:Subset": "torch.utils.data.dataset:Subset",
    "torch.utils.data.dataset:Dataset": "torch.utils.data.dataset:Dataset",
    "runner.kinds:Interval": "runner.kinds:Interval",
    "runner.kinds:Slot": "runner.kinds:Slot",
}
"""`module:Name` as it is imported, and where it is defined."""

MODULES = frozenset(
    {
        "collections.abc",
        "concurrent.futures",
        "numpy.typing",
        "torch.distributed",
        "torch.nn",
        "torch.optim",
        "torch.types",
        "torch.utils",
        "torch.utils.data",
    }
)
"""Attributes of a package that are modules: no need to ask the package."""

PLAIN: dict[str, tuple[str, ...]] = {
    "builtins:object": (),
    "abc:ABC": (),
    "typing:Generic": (),
    "typing:Protocol": ("typing:Generic",),
    "typing:Iterable": ("typing:Generic",),
    "typing:TypedDict": (),
    "typing_extensions:TypedDict": (),
    "typing:NamedTuple": (),
    "enum:Enum": (),
    "enum:IntEnum": ("enum:Enum",),
    "enum:StrEnum": ("enum:Enum",),
    "enum:Flag": ("enum:Enum",),
    "enum:IntFlag": ("enum:Flag",),
    "torch.nn.modules.module:Module": (),
    "torch.utils.data.dataset:Dataset": ("typing:Generic",),
}
"""Classes that add no arguments to a constructor, and their bases but for `object`."""

NOT_OPENED = frozenset(sys.stdlib_module_names | {"typing_extensions", "_typeshed", "numpy", "annotated_types"})
"""Top-level packages whose names are known by their names alone."""
