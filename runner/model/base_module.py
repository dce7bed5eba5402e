"""Modules whose weights are initialized when the run starts, before a checkpoint is loaded."""

from __future__ import annotations

import copy
from abc import ABCMeta
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from torch import nn

from runner.dist.ddp import is_model_wrapper
from runner.kinds import Slot
from runner.logging import MMLogger
from runner.model.weight_init import PretrainedInit, initialize, update_init_info

__all__ = ["BaseModule", "ModuleDict", "ModuleList", "Sequential"]

_PRETRAINED = ("Pretrained", "runner.Pretrained", "mmengine.Pretrained", PretrainedInit)


class BaseModule(nn.Module, metaclass=ABCMeta):
    """A module with `init_weights()`, which the Runner calls once before a checkpoint is loaded.

    Args:
        init_cfg: An initializer, or several that are applied in order: `{type: Kaiming, layer: Conv2d}`.
    """

    def __init__(
        self, init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None
    ) -> None:
        super().__init__()
        self._is_init = False
        # Modules that share a mapping must not see each other's changes to it.
        self.init_cfg = copy.deepcopy(init_cfg)

    @property
    def is_init(self) -> bool:
        """Whether `init_weights` ran; set it to keep a parent from initializing this module again."""
        return self._is_init

    @is_init.setter
    def is_init(self, value: bool) -> None:
        self._is_init = value

    def init_weights(self) -> None:
        """Fill the weights: as `init_cfg` says, then as the children do, then from a checkpoint for `Pretrained`.

        Children that are initialized already are left alone. Call it through `super()` where you override it.
        """
        is_outermost = not hasattr(self, "_params_init_info")
        if is_outermost:
            self._begin_init_info()
        try:
            if self._is_init:
                MMLogger.get_current_instance().warning(
                    f"init_weights of {type(self).__name__} was called more than once; the weights stay as they are"
                )
            else:
                self._init_weights()
        finally:
            if is_outermost:
                self._end_init_info()

    def _init_weights(self) -> None:
        many = [self.init_cfg] if isinstance(self.init_cfg, Mapping) else self.init_cfg or []
        pretrained = [cfg for cfg in many if cfg.get("type") in _PRETRAINED]
        initialize(self._initialized(), [cfg for cfg in many if cfg not in pretrained])
        for child in self.children():
            inner = child.module if is_model_wrapper(child) and not hasattr(child, "init_weights") else child
            init_weights: Any = getattr(inner, "init_weights", None)
            if callable(init_weights) and not getattr(inner, "is_init", False):
                init_weights()
                assert isinstance(inner, nn.Module)
                update_init_info(inner, f"Initialized by user-defined `init_weights` in {type(inner).__name__}")
        initialize(self._initialized(), pretrained)
        self._is_init = True

    def _initialized(self) -> nn.Module:
        """The module that `init_cfg` speaks of."""
        return self

    def _begin_init_info(self) -> None:
        """Let all modules within share a record of what changed which parameter."""
        infos = {
            parameter: {"init_info": "as its constructor made it", "tmp_mean_value": parameter.data.mean().cpu()}
            for parameter in self.parameters()
        }
        for module in self.modules():
            module._params_init_info = infos  # type: ignore[assignment] # noqa: SLF001 - MMEngine's name, which users' code reads

    def _end_init_info(self) -> None:
        logger = MMLogger.get_current_instance()
        infos: Any = self._params_init_info
        for name, parameter in self.named_parameters():
            if parameter in infos:
                logger.debug(f"{name} {tuple(parameter.shape)}: {infos[parameter]['init_info']}")
        for module in self.modules():
            if hasattr(module, "_params_init_info"):
                del module._params_init_info  # noqa: SLF001 - as above

    def __repr__(self) -> str:
        return super().__repr__() + (f"\ninit_cfg={self.init_cfg}" if self.init_cfg else "")


class Sequential(BaseModule, nn.Sequential):
    """`nn.Sequential` with `init_weights()`.

    Args:
        *args: The modules, in order.
        init_cfg: As in `BaseModule`.
    """

    def __init__(
        self,
        *args: nn.Module,
        init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None,
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.Sequential.__init__(self, *args)


class ModuleList(BaseModule, nn.ModuleList):
    """`nn.ModuleList` with `init_weights()`.

    Args:
        modules: The modules, in order.
        init_cfg: As in `BaseModule`.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module] | None = None,
        init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None,
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleList.__init__(self, modules)


class ModuleDict(BaseModule, nn.ModuleDict):
    """`nn.ModuleDict` with `init_weights()`.

    Args:
        modules: The modules by name.
        init_cfg: As in `BaseModule`.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module] | None = None,
        init_cfg: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Slot("weight_init")] = None,
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleDict.__init__(self, modules)
