"""What is drawn, and where scalars, images and the config of a run are kept for people to look at.

- `visualizer.py`: the face of all of it; `canvas.py`, `featmap.py`, `datasample.py`, `window.py`: drawing and showing
- `vis_backend.py`: the base class of backends, and files; `tensorboard.py`, `weights_and_biases.py`, `mlflow_backend.py`:
  those of others
- `continuing.py`: how the curves of a resumed run go on
"""

from __future__ import annotations

from runner.visualization.mlflow_backend import MLflowVisBackend
from runner.visualization.tensorboard import TensorboardVisBackend
from runner.visualization.vis_backend import BaseVisBackend, LocalVisBackend, force_init_env
from runner.visualization.visualizer import Visualizer
from runner.visualization.weights_and_biases import WandbVisBackend

__all__ = [
    "BaseVisBackend",
    "LocalVisBackend",
    "MLflowVisBackend",
    "TensorboardVisBackend",
    "Visualizer",
    "WandbVisBackend",
    "force_init_env",
]
