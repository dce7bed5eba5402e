"""What is trained: `BaseModel` with its three modes, and the preprocessors that bring a batch to its device.

- `base_module.py`, `weight_init.py`, `init_functions.py`: modules that are initialized as `init_cfg` says
- `base_model.py`, `data_preprocessor.py`: the contract of a training step
- `batch_norm.py`, `conv_bn.py`, `activation_checkpointing.py`: changes to a model that fields of the config ask for
- `module_adapter.py`, `selection.py`, `containers.py`: any `nn.Module` as a model
- `tta.py`: one prediction from those for several views of a sample

A plain `nn.Module` with `train_step`, `val_step` and `test_step` does as well.
"""

from __future__ import annotations

from runner.dist.ddp import MMDistributedDataParallel, detect_anomalous_params, is_model_wrapper
from runner.model.activation_checkpointing import turn_on_activation_checkpointing
from runner.model.averaged_model import (
    BaseAveragedModel,
    ExponentialMovingAverage,
    MomentumAnnealingEMA,
    StochasticWeightAverage,
)
from runner.model.base_model import BaseModel
from runner.model.base_module import BaseModule, ModuleDict, ModuleList, Sequential
from runner.model.batch_norm import convert_sync_batchnorm, revert_sync_batchnorm
from runner.model.conv_bn import turn_on_efficient_conv_bn_eval
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
from runner.model.merging import merge_dict
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
    "convert_sync_batchnorm",
    "detect_anomalous_params",
    "initialize",
    "is_model_wrapper",
    "kaiming_init",
    "merge_dict",
    "normal_init",
    "revert_sync_batchnorm",
    "stack_batch",
    "trunc_normal_init",
    "turn_on_activation_checkpointing",
    "turn_on_efficient_conv_bn_eval",
    "uniform_init",
    "update_init_info",
    "xavier_init",
]
