"""Where scalars, images and the config of a run are kept for people to look at."""

from __future__ import annotations

from runner.visualization.vis_backend import BaseVisBackend, LocalVisBackend
from runner.visualization.visualizer import Visualizer

__all__ = ["BaseVisBackend", "LocalVisBackend", "Visualizer"]
