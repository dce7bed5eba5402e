"""What is trained: `BaseModel` with its three modes, and the preprocessors that bring a batch to its device.

A plain `nn.Module` with `train_step`, `val_step` and `test_step` does as well.
"""

from __future__ import annotations

from runner.dist.ddp import MMDistributedDataParallel, is_model_wrapper
from runner.model.base_model import BaseModel
from runner.model.base_module import BaseModule, ModuleDict, ModuleList, Sequential
from runner.model.data_preprocessor import BaseDataPreprocessor, ImgDataPreprocessor, stack_batch

__all__ = [
    "BaseDataPreprocessor",
    "BaseModel",
    "BaseModule",
    "ImgDataPreprocessor",
    "MMDistributedDataParallel",
    "ModuleDict",
    "ModuleList",
    "Sequential",
    "is_model_wrapper",
    "stack_batch",
]
