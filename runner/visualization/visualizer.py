"""Sends what is to be looked at to every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from typing_extensions import Self

from runner.dist import is_main_process
from runner.logging.current import Current
from runner.visualization.vis_backend import BaseVisBackend

if TYPE_CHECKING:
    from runner.config import Config

__all__ = ["Visualizer"]

Scalars: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


class Visualizer(Current):
    """Sends scalars, images and the config to every backend. Only the main process does anything.

    Args:
        name: The name of the run.
        vis_backends: One backend or several, built or as mappings with `type`; None keeps nothing.
        save_dir: The run's log directory; backends without a folder of their own write to `vis_data` in it.
    """

    def __init__(
        self,
        name: str = "visualizer",
        vis_backends: list[BaseVisBackend | dict[str, Any]] | BaseVisBackend | dict[str, Any] | None = None,
        save_dir: str | None = None,
    ) -> None:
        self.name = name
        self.save_dir = str(Path(save_dir, "vis_data")) if save_dir is not None else None
        given = vis_backends if isinstance(vis_backends, Sequence) else [vis_backends] if vis_backends else []
        self._vis_backends: dict[str, BaseVisBackend] = {}
        self._waiting: list[tuple[Scalars, int, str | None]] = []
        for each in given:
            backend = self._built(each)
            key = type(backend).__name__
            if key in self._vis_backends:
                raise ValueError(f"Visualizer: vis_backends holds {key} twice; each type of backend can be there once")
            if backend.save_dir is None:
                backend.save_dir = self.save_dir
            self._vis_backends[key] = backend

    @staticmethod
    def _built(backend: BaseVisBackend | Mapping[str, Any]) -> BaseVisBackend:
        if isinstance(backend, BaseVisBackend):
            return backend
        from runner.registry import VISBACKENDS

        built: BaseVisBackend = VISBACKENDS.build(backend)
        return built

    @property
    def backends(self) -> tuple[BaseVisBackend, ...]:
        """The backends that are served: all on the main process, none on others."""
        return tuple(self._vis_backends.values()) if is_main_process() else ()

    def get_backend(self, name: str) -> BaseVisBackend:
        """A backend by its type's name.

        Raises:
            KeyError: There is none.
        """
        if name not in self._vis_backends:
            raise KeyError(f"Visualizer: no backend '{name}'; there are {sorted(self._vis_backends)}")
        return self._vis_backends[name]

    def add_config(self, config: Config) -> None:
        """Keep the config.

        Args:
            config: The run's config.
        """
        self.flush()
        for backend in self.backends:
            backend.add_config(config)

    def add_graph(self, model: torch.nn.Module, data_batch: Any) -> None:
        """Keep the model's graph, where a backend can.

        Args:
            model: The model.
            data_batch: A batch that it can be called with.
        """
        self.flush()
        for backend in self.backends:
            backend.add_graph(model, data_batch)

    def add_image(self, name: str, image: np.ndarray[Any, Any] | torch.Tensor, step: int = 0) -> None:
        """Keep an image.

        Args:
            name: Its name.
            image: Grey (H, W) or RGB (H, W, 3), uint8.
            step: The iteration or epoch that it belongs to.
        """
        if isinstance(image, torch.Tensor):
            image = image.detach().cpu().numpy()
        self.flush()
        for backend in self.backends:
            backend.add_image(name, image, step)

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep a number.

        Args:
            name: Its name.
            value: The number; a tensor is read here, which waits for its device.
            step: The iteration or epoch that it belongs to.
        """
        self.flush()
        for backend in self.backends:
            backend.add_scalar(name, value, step)

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to.
            file_path: A further file for the same line, for backends that write files.
        """
        self.flush()
        for backend in self.backends:
            backend.add_scalars(scalar_dict, step, file_path)

    def queue_scalars(self, scalar_dict: Scalars, step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step, a little later: with whatever is added next, with `flush` or with `close`.

        Where much is logged in little time, doing it together costs a fraction of doing it one by one.

        Args:
            scalar_dict: Numbers by name, which are not changed any more, or a function that returns them then.
            step: The iteration or epoch that they belong to.
            file_path: A further file for the same line, for backends that write files.
        """
        self._waiting.append((scalar_dict, step, file_path))

    def flush(self) -> None:
        """Send what is still queued to the backends, in its order."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for scalar_dict, step, file_path in waiting:
            self.add_scalars(scalar_dict() if callable(scalar_dict) else scalar_dict, step, file_path)

    @contextmanager
    def current(self) -> Iterator[Self]:
        """Make this the current visualizer for the length of a `with` block, however it ends; then flush."""
        with super().current():
            try:
                yield self
            finally:
                self.flush()

    def add_datasample(
        self,
        name: str,
        image: np.ndarray[Any, Any] | torch.Tensor,
        data_sample: Any = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
    ) -> None:
        """Draw a sample; what is drawn depends on the task, so a subclass says it.

        Args:
            name: The image's name.
            image: The image, (H, W, 3), uint8.
            data_sample: What is known of it and what was predicted.
            draw_gt: Draw what is known.
            draw_pred: Draw what was predicted.
            show: Open a window.
            wait_time: Seconds to show it.
            step: The iteration or epoch that it belongs to.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.add_datasample: how a sample is drawn depends on the task; "
            "derive a visualizer that overrides it, or use add_image for the image alone"
        )

    def close(self) -> None:
        """Send what is still queued, and close every backend."""
        self.flush()
        for backend in self.backends:
            backend.close()
