"""Parameter schedulers: hyper-parameters that change over a run, by epochs or by iterations."""

from __future__ import annotations

from runner.optim.scheduler.constant import ConstantLR, ConstantMomentum, ConstantParamScheduler
from runner.optim.scheduler.cosine import CosineAnnealingLR, CosineAnnealingMomentum, CosineAnnealingParamScheduler
from runner.optim.scheduler.linear import LinearLR, LinearMomentum, LinearParamScheduler
from runner.optim.scheduler.multistep import MultiStepLR, MultiStepMomentum, MultiStepParamScheduler
from runner.optim.scheduler.param_scheduler import _ParamScheduler
from runner.optim.scheduler.poly import PolyLR, PolyMomentum, PolyParamScheduler
from runner.optim.scheduler.resume import restore_schedulers
from runner.optim.scheduler.step import StepLR, StepMomentum, StepParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin

__all__ = [
    "ConstantLR",
    "ConstantMomentum",
    "ConstantParamScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineAnnealingParamScheduler",
    "LRSchedulerMixin",
    "LinearLR",
    "LinearMomentum",
    "LinearParamScheduler",
    "MomentumSchedulerMixin",
    "MultiStepLR",
    "MultiStepMomentum",
    "MultiStepParamScheduler",
    "PolyLR",
    "PolyMomentum",
    "PolyParamScheduler",
    "StepLR",
    "StepMomentum",
    "StepParamScheduler",
    "_ParamScheduler",
    "restore_schedulers",
]
