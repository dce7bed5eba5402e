"""Optimizer wrappers, their constructors, and parameter schedulers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.optim.amp import AmpOptimWrapper, LossScale
from runner.optim.build import build_optim_wrapper
from runner.optim.clip import ClipGrad
from runner.optim.constructor import CustomKey, DefaultOptimWrapperConstructor, ParamwiseCfg
from runner.optim.layer_decay import LayerDecayOptimizerConstructor, LearningRateDecayOptimWrapperConstructor
from runner.optim.optim_wrapper import OptimWrapper
from runner.optim.optim_wrapper_dict import OptimWrapperDict
from runner.optim.scheduler import (
    ConstantLR,
    ConstantMomentum,
    ConstantParamScheduler,
    CosineAnnealingLR,
    CosineAnnealingMomentum,
    CosineAnnealingParamScheduler,
    CosineRestartLR,
    CosineRestartMomentum,
    CosineRestartParamScheduler,
    CyclicLR,
    CyclicMomentum,
    CyclicParamScheduler,
    ExponentialLR,
    ExponentialMomentum,
    ExponentialParamScheduler,
    InverseLR,
    InverseMomentum,
    InverseParamScheduler,
    InverseSqrtLR,
    InverseSqrtMomentum,
    InverseSqrtParamScheduler,
    LinearLR,
    LinearMomentum,
    LinearParamScheduler,
    MultiStepLR,
    MultiStepMomentum,
    MultiStepParamScheduler,
    OneCycleLR,
    OneCycleParamScheduler,
    PolyLR,
    PolyMomentum,
    PolyParamScheduler,
    ReduceOnPlateauLR,
    ReduceOnPlateauMomentum,
    ReduceOnPlateauParamScheduler,
    StepLR,
    StepMomentum,
    StepParamScheduler,
    WarmupStableDecayLR,
    WarmupStableDecayMomentum,
    WarmupStableDecayParamScheduler,
    _ParamScheduler,
    restore_schedulers,
)

if TYPE_CHECKING:
    from runner.optim.zero import ZeroRedundancyOptimizer

__all__ = [
    "AmpOptimWrapper",
    "ClipGrad",
    "ConstantLR",
    "ConstantMomentum",
    "ConstantParamScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineAnnealingParamScheduler",
    "CosineRestartLR",
    "CosineRestartMomentum",
    "CosineRestartParamScheduler",
    "CustomKey",
    "CyclicLR",
    "CyclicMomentum",
    "CyclicParamScheduler",
    "DefaultOptimWrapperConstructor",
    "ExponentialLR",
    "ExponentialMomentum",
    "ExponentialParamScheduler",
    "InverseLR",
    "InverseMomentum",
    "InverseParamScheduler",
    "InverseSqrtLR",
    "InverseSqrtMomentum",
    "InverseSqrtParamScheduler",
    "LayerDecayOptimizerConstructor",
    "LearningRateDecayOptimWrapperConstructor",
    "LinearLR",
    "LinearMomentum",
    "LinearParamScheduler",
    "LossScale",
    "MultiStepLR",
    "MultiStepMomentum",
    "MultiStepParamScheduler",
    "OneCycleLR",
    "OneCycleParamScheduler",
    "OptimWrapper",
    "OptimWrapperDict",
    "ParamwiseCfg",
    "PolyLR",
    "PolyMomentum",
    "PolyParamScheduler",
    "ReduceOnPlateauLR",
    "ReduceOnPlateauMomentum",
    "ReduceOnPlateauParamScheduler",
    "StepLR",
    "StepMomentum",
    "StepParamScheduler",
    "WarmupStableDecayLR",
    "WarmupStableDecayMomentum",
    "WarmupStableDecayParamScheduler",
    "ZeroRedundancyOptimizer",
    "_ParamScheduler",
    "build_optim_wrapper",
    "restore_schedulers",
]


def __getattr__(name: str) -> Any:
    if name == "ZeroRedundancyOptimizer":  # torch takes a second to import its own
        from runner.optim.zero import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
