"""Optimizer wrappers, their constructors, and parameter schedulers."""

from __future__ import annotations

from runner.optim.amp import AmpOptimWrapper, LossScale
from runner.optim.build import build_optim_wrapper
from runner.optim.clip import ClipGrad
from runner.optim.constructor import CustomKey, DefaultOptimWrapperConstructor, ParamwiseCfg
from runner.optim.optim_wrapper import OptimWrapper
from runner.optim.optim_wrapper_dict import OptimWrapperDict
from runner.optim.scheduler import (
    ConstantLR,
    ConstantMomentum,
    ConstantParamScheduler,
    CosineAnnealingLR,
    CosineAnnealingMomentum,
    CosineAnnealingParamScheduler,
    LinearLR,
    LinearMomentum,
    LinearParamScheduler,
    MultiStepLR,
    MultiStepMomentum,
    MultiStepParamScheduler,
    PolyLR,
    PolyMomentum,
    PolyParamScheduler,
    StepLR,
    StepMomentum,
    StepParamScheduler,
    _ParamScheduler,
    restore_schedulers,
)

__all__ = [
    "AmpOptimWrapper",
    "ClipGrad",
    "ConstantLR",
    "ConstantMomentum",
    "ConstantParamScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineAnnealingParamScheduler",
    "CustomKey",
    "DefaultOptimWrapperConstructor",
    "LinearLR",
    "LinearMomentum",
    "LinearParamScheduler",
    "LossScale",
    "MultiStepLR",
    "MultiStepMomentum",
    "MultiStepParamScheduler",
    "OptimWrapper",
    "OptimWrapperDict",
    "ParamwiseCfg",
    "PolyLR",
    "PolyMomentum",
    "PolyParamScheduler",
    "StepLR",
    "StepMomentum",
    "StepParamScheduler",
    "_ParamScheduler",
    "build_optim_wrapper",
    "restore_schedulers",
]
