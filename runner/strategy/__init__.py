"""How a model is spread over devices.

base.py             the contract
single.py           one device
ddp.py              a whole model on each
fsdp.py             a share of the model on each
tensor_parallel.py  layers that several compute together
"""

from __future__ import annotations

from runner.strategy.base import BaseStrategy
from runner.strategy.ddp import DDPStrategy
from runner.strategy.fsdp import FSDPStrategy
from runner.strategy.single import SingleDeviceStrategy
from runner.strategy.tensor_parallel import TensorParallelStrategy

__all__ = ["BaseStrategy", "DDPStrategy", "FSDPStrategy", "SingleDeviceStrategy", "TensorParallelStrategy"]
