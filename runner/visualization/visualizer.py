"""Draws, and sends what is to be looked at to every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from typing_extensions import Self

from runner.dist import is_main_process
from runner.logging.current import Current
from runner.visualization.canvas import Canvas, FigureOptions
from runner.visualization.datasample import draw_sample, known, large_enough, predicted
from runner.visualization.featmap import draw_featmap
from runner.visualization.vis_backend import BaseVisBackend
from runner.visualization.window import Window

if TYPE_CHECKING:
    from runner.config import Config

__all__ = ["Visualizer"]

Scalars: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


class Visualizer(Canvas, Current):
    """Sends scalars, images and the config to every backend, and draws on images.

    Only the main process keeps or shows anything.

    Args:
        name: What `get_instance` knows it by.
        image: The image to draw on, as `set_image` takes it.
        vis_backends: One backend or several, built or as mappings with `type`; None keeps nothing.
        save_dir: The run's log directory; backends without a folder of their own write to `vis_data` in it.
        fig_save_cfg: How the figure that is drawn on is made.
        fig_show_cfg: How the figure of the window that `show` opens is made.
    """

    draw_featmap = staticmethod(draw_featmap)

    def __init__(
        self,
        name: str = "visualizer",
        image: np.ndarray[Any, Any] | None = None,
        vis_backends: list[BaseVisBackend | dict[str, Any]] | BaseVisBackend | dict[str, Any] | None = None,
        save_dir: str | None = None,
        fig_save_cfg: FigureOptions = {"frameon": False},  # noqa: B006 - nobody writes to it
        fig_show_cfg: FigureOptions = {"frameon": False},  # noqa: B006 - as above
    ) -> None:
        super().__init__(image, fig_save_cfg)
        self.fig_show_cfg = fig_show_cfg
        self._window = Window(fig_show_cfg)
        self._dataset_meta: Mapping[str, Any] | None = None
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
                for backend in self.backends:
                    backend.flush()

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
        """Draw what is known of a sample and what was predicted side by side, and keep the image.

        Boxes, masks, labels and scores of instances, classes of pixels and classes of the image are drawn, from
        `gt_instances`, `gt_sem_seg`, `gt_label` and their `pred_` counterparts; an image that is too small for the text of
        its class is enlarged. A subclass overrides this for anything else.

        Args:
            name: The image's name.
            image: The image, grey (H, W) or RGB (H, W, 3), from 0 to 255.
            data_sample: What is known of it and what was predicted: a data element, a mapping, any object with these
                attributes; or, of a classification, the scores by class or the class.
            draw_gt: Draw what is known.
            draw_pred: Draw what was predicted.
            show: Open a window.
            wait_time: Seconds to show it; 0 until a key is pressed.
            step: The iteration or epoch that it belongs to.
        """
        if not is_main_process():
            return
        if isinstance(image, torch.Tensor):
            image = image.detach().cpu().numpy()
        truth = known(data_sample) if draw_gt else None
        prediction = predicted(data_sample) if draw_pred else None
        drawn = []
        for each in (truth, prediction):
            if each is not None and not each.is_empty:
                self.set_image(large_enough(image, each))
                draw_sample(self, each, self._dataset_meta)
                drawn.append(self.get_image())
        # Of two different sizes the smaller one is padded below.
        tallest = max((each.shape[0] for each in drawn), default=0)
        padded = [np.pad(each, ((0, tallest - each.shape[0]), (0, 0), (0, 0))) for each in drawn]
        shown = np.concatenate(padded or [image], axis=1)
        self.set_image(shown)
        if show:
            self.show(shown, win_name=name, wait_time=wait_time)
        self.add_image(name, shown, step)

    @property
    def dataset_meta(self) -> Mapping[str, Any] | None:
        """What the dataset says about itself: the names of its `classes`, and their `palette`."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Mapping[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta

    def show(
        self,
        drawn_img: np.ndarray[Any, Any] | None = None,
        win_name: str = "image",
        wait_time: float = 0.0,
        continue_key: str = " ",
        backend: Literal["matplotlib"] = "matplotlib",
    ) -> Any:
        """Show an image in a window, and wait.

        Args:
            drawn_img: The image, (H, W, 3), RGB, uint8; None is what was drawn.
            win_name: The window's title.
            wait_time: Seconds to wait; 0 waits for the key or the window's end.
            continue_key: The key.
            backend: Who shows it.

        Returns:
            In a notebook the figure, which it shows; elsewhere None. Where there is no screen, that is logged.

        Raises:
            ValueError: There is no such backend.
        """
        if backend != "matplotlib":
            raise ValueError(f"show: backend must be 'matplotlib', got {backend!r}; OpenCV is not used here")
        if not is_main_process():
            return None
        image = self.get_image() if drawn_img is None else drawn_img
        return self._window.show(image, win_name, wait_time, continue_key)

    def state_dict(self) -> dict[str, Any]:
        """What the backends need so that a resumed run's curves go on where they were, by their names; plain data."""
        self.flush()
        if not is_main_process():
            return {}
        states = {name: backend.state_dict() for name, backend in self._vis_backends.items()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned when the checkpoint was written.

        Args:
            state_dict: The backends' states; of backends that are not here any more they are left out.
        """
        self.flush()
        for name, state in state_dict.items():
            if is_main_process() and name in self._vis_backends:
                self._vis_backends[name].load_state_dict(state)

    def close(self) -> None:
        """Send what is still queued, close every backend, and the window."""
        self.flush()
        for backend in self.backends:
            backend.close()
        self._window.close()
