"""Keeps scalars, images and the config in TensorBoard's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from runner.logging import print_log
from runner.visualization.continuing import earlier_folder, remembered_folder
from runner.visualization.optional import require
from runner.visualization.vis_backend import BaseVisBackend, as_number

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from runner.config import Config

__all__ = ["TensorboardVisBackend"]

_EVENTS = "*tfevents*"


class TensorboardVisBackend(BaseVisBackend):
    """Writes TensorBoard's files into the run's folder: scalars, images, the config as text.

    The folder of a resumed launch begins with what the earlier one had written when the checkpoint was saved, so that it
    holds the whole curve and no step twice.

    Args:
        save_dir: Its folder; None takes the visualizer's.
    """

    def __init__(self, save_dir: str | None = None) -> None:
        require("tensorboard", "TensorboardVisBackend")
        super().__init__(save_dir)
        self._writer: SummaryWriter | None = None
        self._config: str | None = None
        self._earlier: Mapping[str, Any] | None = None

    @property
    def experiment(self) -> SummaryWriter:
        """Torch's `SummaryWriter`."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_over()
            writer: Any = SummaryWriter
            self._writer = writer(str(self.folder))
            if self._config is not None:
                self.add_config_text(self._config)
        return self._writer

    def add_config(self, config: Config) -> None:
        """Keep the config as text; it is written with the first scalar or image.

        Args:
            config: The run's config.
        """
        self._config = config.pretty_text
        if self._writer is not None:
            self.add_config_text(self._config)

    def add_config_text(self, text: str) -> None:
        """Write the config, indented as Markdown wants code.

        Args:
            text: The config as YAML.
        """
        writer: Any = self.experiment
        writer.add_text("config", "".join(f"    {line}\n" for line in text.splitlines()))
        self._config = None

    def add_image(self, name: str, image: np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep an image.

        Args:
            name: Its name.
            image: Grey (H, W) or RGB (H, W, 3), uint8.
            step: The iteration or epoch that it belongs to.
        """
        writer: Any = self.experiment
        writer.add_image(name, image, step, dataformats="HW" if image.ndim == 2 else "HWC")

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep a number.

        Args:
            name: Its name.
            value: The number.
            step: The iteration or epoch that it belongs to.
        """
        writer: Any = self.experiment
        writer.add_scalar(name, as_number(name, value), step)

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to, unless they have a `step` among them.
            file_path: Not used.
        """
        del file_path
        step = int(scalar_dict.get("step", step))
        for name, value in scalar_dict.items():
            if name != "step":
                self.add_scalar(name, value, step)

    def flush(self) -> None:
        """Write what is in memory."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the file; what is added later goes to a further one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def state_dict(self) -> dict[str, Any]:
        """The files and how much of each is written."""
        self.flush()
        files = {file.name: file.stat().st_size for file in sorted(self.folder.glob(_EVENTS))}
        return {**remembered_folder(self.folder), "files": files} if files else {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Begin the next file where the run goes on.

        Args:
            state_dict: What `state_dict` returned.
        """
        self.close()
        self._earlier = state_dict

    def _take_over(self) -> None:
        """Bring what was written before the checkpoint into this folder."""
        state, self._earlier = self._earlier, None
        if not state:
            return
        folder, _ = earlier_folder(state, self.folder)
        if folder is None:
            print_log(
                f"TensorBoard's earlier files are no longer in {state['folder']}: the curves begin here",
                logger="current",
                level="WARNING",
            )
            return
        if folder.samefile(self.folder):  # the run went back to a checkpoint of this very launch
            for file in self.folder.glob(_EVENTS):
                if file.name in state["files"]:
                    os.truncate(file, state["files"][file.name])
                else:
                    file.unlink()
            return
        for name, size in state["files"].items():
            source = folder / name
            if source.exists():
                copy = self.folder / name
                shutil.copyfile(source, copy)
                os.truncate(copy, size)
