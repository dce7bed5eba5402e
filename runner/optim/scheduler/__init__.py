"""Parameter schedulers: hyper-parameters that change over a run, by epochs or by iterations."""

from __future__ import annotations

from runner.optim.scheduler.constant import ConstantLR, ConstantMomentum, ConstantParamScheduler
from runner.optim.scheduler.cosine import CosineAnnealingLR, CosineAnnealingMomentum, CosineAnnealingParamScheduler
from runner.optim.scheduler.cosine_restart import CosineRestartLR, CosineRestartMomentum, CosineRestartParamScheduler
from runner.optim.scheduler.cyclic import CyclicLR, CyclicMomentum, CyclicParamScheduler
from runner.optim.scheduler.exponential import ExponentialLR, ExponentialMomentum, ExponentialParamScheduler
from runner.optim.scheduler.inverse import InverseLR, InverseMomentum, InverseParamScheduler
from runner.optim.scheduler.inverse_sqrt import InverseSqrtLR, InverseSqrtMomentum, InverseSqrtParamScheduler
from runner.optim.scheduler.linear import LinearLR, LinearMomentum, LinearParamScheduler
from runner.optim.scheduler.multistep import MultiStepLR, MultiStepMomentum, MultiStepParamScheduler
from runner.optim.scheduler.one_cycle import OneCycleLR, OneCycleParamScheduler
from runner.optim.scheduler.param_scheduler import _ParamScheduler
from runner.optim.scheduler.plateau import ReduceOnPlateauLR, ReduceOnPlateauMomentum, ReduceOnPlateauParamScheduler
from runner.optim.scheduler.poly import PolyLR, PolyMomentum, PolyParamScheduler
from runner.optim.scheduler.resume import restore_schedulers
from runner.optim.scheduler.step import StepLR, StepMomentum, StepParamScheduler
from runner.optim.scheduler.targets import LRSchedulerMixin, MomentumSchedulerMixin
from runner.optim.scheduler.warmup_stable_decay import (
    WarmupStableDecayLR,
    WarmupStableDecayMomentum,
    WarmupStableDecayParamScheduler,
)

__all__ = [
    "ConstantLR",
    "ConstantMomentum",
    "ConstantParamScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineAnnealingParamScheduler",
    "CosineRestartLR",
    "CosineRestartMomentum",
    "CosineRestartParamScheduler",
    "CyclicLR",
    "CyclicMomentum",
    "CyclicParamScheduler",
    "ExponentialLR",
    "ExponentialMomentum",
    "ExponentialParamScheduler",
    "InverseLR",
    "InverseMomentum",
    "InverseParamScheduler",
    "InverseSqrtLR",
    "InverseSqrtMomentum",
    "InverseSqrtParamScheduler",
    "LRSchedulerMixin",
    "LinearLR",
    "LinearMomentum",
    "LinearParamScheduler",
    "MomentumSchedulerMixin",
    "MultiStepLR",
    "MultiStepMomentum",
    "MultiStepParamScheduler",
    "OneCycleLR",
    "OneCycleParamScheduler",
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
    "_ParamScheduler",
    "restore_schedulers",
]
