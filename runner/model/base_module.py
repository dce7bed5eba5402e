"""Modules whose weights are initialized when the run starts, before a checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

__all__ = ["BaseModule", "ModuleDict", "ModuleList", "Sequential"]


class BaseModule(nn.Module):
    """A module with `init_weights()`, which the Runner calls once before a checkpoint is loaded.

    Args:
        init_cfg: Initializers by config are not offered; override `init_weights` instead.
    """

    def __init__(self, init_cfg: None = None) -> None:
        super().__init__()
        if init_cfg is not None:
            raise TypeError(
                f"{type(self).__name__}: init_cfg must be None, got {init_cfg!r}; "
                "initialize the weights in the constructor or override init_weights()"
            )
        self._is_init = False

    @property
    def is_init(self) -> bool:
        """Whether `init_weights` ran; set it to keep a parent from initializing this module again."""
        return self._is_init

    @is_init.setter
    def is_init(self, value: bool) -> None:
        self._is_init = value

    def init_weights(self) -> None:
        """Initialize the children that know how to, each once; call it through `super()` where you override it."""
        for child in self.children():
            init_weights = getattr(child, "init_weights", None)
            if callable(init_weights) and not getattr(child, "is_init", False):
                init_weights()
        self._is_init = True


class Sequential(BaseModule, nn.Sequential):
    """`nn.Sequential` with `init_weights()`.

    Args:
        *args: The modules, in order.
        init_cfg: As in `BaseModule`.
    """

    def __init__(self, *args: nn.Module, init_cfg: None = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.Sequential.__init__(self, *args)
        self._is_init = False


class ModuleList(BaseModule, nn.ModuleList):
    """`nn.ModuleList` with `init_weights()`.

    Args:
        modules: The modules, in order.
        init_cfg: As in `BaseModule`.
    """

    def __init__(self, modules: Iterable[nn.Module] | None = None, init_cfg: None = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleList.__init__(self, modules)
        self._is_init = False


class ModuleDict(BaseModule, nn.ModuleDict):
    """`nn.ModuleDict` with `init_weights()`.

    Args:
        modules: The modules by name.
        init_cfg: As in `BaseModule`.
    """

    def __init__(self, modules: Mapping[str, nn.Module] | None = None, init_cfg: None = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleDict.__init__(self, modules)
        self._is_init = False
