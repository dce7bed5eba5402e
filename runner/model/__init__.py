"""What is trained: `BaseModel` with its three modes, and the preprocessors that bring a batch to its device.

- `base_module.py`, `weight_init.py`, `init_functions.py`: modules that are initialized as `init_cfg` says
- `base_model.py`, `data_preprocessor.py`: the contract of a training step
- `module_adapter.py`, `selection.py`, `containers.py`: any `nn.Module` as a model
- `tta.py`: one prediction from those for several views of a sample

A plain `nn.Module` with `train_step`, `val_step` and `test_step` does as well.
"""

from __future__ import annotations

from runner.dist.ddp import MMDistributedDataParallel, is_model_wrapper
from runner.model.averaged_model import (
    BaseAveragedModel,
    ExponentialMovingAverage,
    MomentumAnnealingEMA,
    StochasticWeightAverage,
)
from runner.model.base_model import BaseModel
from runner.model.base_module import BaseModule, ModuleDict, ModuleList, Sequential
from runner.model.data_preprocessor import BaseDataPreprocessor, ImgDataPreprocessor, stack_batch
from runner.model.init_functions import (
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)
from runner.model.module_adapter import LossTerm, ModuleAdapter
from runner.model.tta import BaseTTAModel
from runner.model.weight_init import (
    BaseInit,
    Caffe2XavierInit,
    ConstantInit,
    KaimingInit,
    NormalInit,
    PretrainedInit,
    TruncNormalInit,
    UniformInit,
    XavierInit,
    initialize,
    update_init_info,
)

__all__ = [
    "BaseAveragedModel",
    "BaseDataPreprocessor",
    "BaseInit",
    "BaseModel",
    "BaseModule",
    "BaseTTAModel",
    "Caffe2XavierInit",
    "ConstantInit",
    "ExponentialMovingAverage",
    "ImgDataPreprocessor",
    "KaimingInit",
    "LossTerm",
    "MMDistributedDataParallel",
    "ModuleAdapter",
    "ModuleDict",
    "ModuleList",
    "MomentumAnnealingEMA",
    "NormalInit",
    "PretrainedInit",
    "Sequential",
    "StochasticWeightAverage",
    "TruncNormalInit",
    "UniformInit",
    "XavierInit",
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "constant_init",
    "initialize",
    "is_model_wrapper",
    "kaiming_init",
    "normal_init",
    "stack_batch",
    "trunc_normal_init",
    "uniform_init",
    "update_init_info",
    "xavier_init",
]
