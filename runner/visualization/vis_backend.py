"""Where scalars, images and the config go: the base class of backends, and the one that writes files."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch

from runner.file_names import stay_inside
from runner.logging.line_file import LineFile
from runner.visualization.png import encode_png

if TYPE_CHECKING:
    from runner.config import Config

__all__ = ["BaseVisBackend", "LocalVisBackend", "as_number", "force_init_env"]

_PLAIN: Final = (float, int)
_T = TypeVar("_T")


def force_init_env(old_func: Callable[..., _T]) -> Callable[..., _T]:
    """Let a backend's method call `_init_env` first, the first time that any method so decorated is called.

    Args:
        old_func: A method of a backend that has `_init_env`.
    """

    @functools.wraps(old_func)
    def wrapper(obj: BaseVisBackend, *args: Any, **kwargs: Any) -> _T:
        if not obj._env_initialized:  # noqa: SLF001 - this function is a part of the class
            obj._init_env()  # noqa: SLF001 - as above
            obj._env_initialized = True  # noqa: SLF001 - as above
        return old_func(obj, *args, **kwargs)

    return wrapper


class BaseVisBackend:
    """A place where scalars, images and the config of a run are kept.

    Only the main process calls it. What it needs (files, connections) it makes when something is first added; after
    `close` the next addition makes it anew.

    Args:
        save_dir: Its folder; None takes the visualizer's.
    """

    _env_initialized = False

    def __init__(self, save_dir: str | None = None) -> None:
        self.save_dir = save_dir

    @property
    def _save_dir(self) -> str | None:
        # Under MMEngine's name, since backends that users wrote read it.
        return self.save_dir

    @_save_dir.setter
    def _save_dir(self, save_dir: str | None) -> None:
        self.save_dir = save_dir

    def _init_env(self) -> None:
        """Make what the backend needs; called by methods that are decorated with `force_init_env`."""

    @property
    def folder(self) -> Path:
        """Its folder.

        Raises:
            ValueError: It was given none, and belongs to no visualizer with one.
        """
        if self.save_dir is None:
            raise ValueError(
                f"{type(self).__name__}: there is no folder to write to; give save_dir here or to the visualizer"
            )
        return Path(self.save_dir)

    @property
    def experiment(self) -> Any:
        """What users of this backend know it by, to do with it what this interface lacks."""
        raise NotImplementedError(f"{type(self).__name__} has no `experiment`")

    def add_config(self, config: Config) -> None:
        """Keep the config.

        Args:
            config: The run's config.
        """

    def add_graph(self, model: torch.nn.Module, data_batch: Any) -> None:
        """Keep the model's graph.

        Args:
            model: The model.
            data_batch: A batch that it can be called with.
        """

    def add_image(self, name: str, image: np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep an image.

        Args:
            name: Its name.
            image: Grey (H, W) or RGB (H, W, 3), uint8.
            step: The iteration or epoch that it belongs to.
        """

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep a number.

        Args:
            name: Its name.
            value: The number.
            step: The iteration or epoch that it belongs to.
        """

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to.
            file_path: A further file, for backends that write files.
        """

    def flush(self) -> None:
        """Send what waits to be sent together; called when a run ends or fails."""

    def close(self) -> None:
        """Finish what was begun."""

    def state_dict(self) -> dict[str, Any]:
        """What a later launch needs so that curves go on where a checkpoint was written: plain data."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what `state_dict` returned when the checkpoint was written from which the run goes on.

        Args:
            state_dict: The state. What was added after it was made will be added again.
        """


class LocalVisBackend(BaseVisBackend):
    """Writes files: the config as YAML, scalars as JSON lines, images as PNG.

    Each line of scalars reaches the system with one write: a kill loses at most the last one, and what a later launch
    appends stays readable.

    Args:
        save_dir: Its folder; None takes the visualizer's.
        img_save_dir: The images' folder in it.
        config_save_file: The config's file in it, `.yaml` or `.yml`.
        scalar_save_file: The scalars' file in it, `.json`.
    """

    def __init__(
        self,
        save_dir: str | None = None,
        img_save_dir: str = "vis_image",
        config_save_file: str = "config.yaml",
        scalar_save_file: str = "scalars.json",
    ) -> None:
        super().__init__(save_dir)
        if Path(config_save_file).suffix not in {".yaml", ".yml"}:
            raise ValueError(f"LocalVisBackend: config_save_file must end with .yaml or .yml, got {config_save_file!r}")
        if Path(scalar_save_file).suffix != ".json":
            raise ValueError(f"LocalVisBackend: scalar_save_file must end with .json, got {scalar_save_file!r}")
        self.img_save_dir = stay_inside("LocalVisBackend", "img_save_dir", img_save_dir)
        self.config_save_file = stay_inside("LocalVisBackend", "config_save_file", config_save_file)
        self.scalar_save_file = stay_inside("LocalVisBackend", "scalar_save_file", scalar_save_file)
        self._files: dict[str, LineFile] = {}

    @property
    def experiment(self) -> LocalVisBackend:
        """The backend itself."""
        return self

    def add_config(self, config: Config) -> None:
        """Write the config as YAML.

        Args:
            config: The run's config.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        config.dump(str(self.folder / self.config_save_file))

    def add_image(self, name: str, image: np.ndarray[Any, Any], step: int = 0) -> None:
        """Write `NAME_STEP.png`.

        Args:
            name: Its name; slashes in it make folders.
            image: Grey (H, W) or (H, W, 1), RGB (H, W, 3), RGBA (H, W, 4), uint8.
            step: The iteration or epoch that it belongs to.

        Raises:
            ValueError: The image has another shape or dtype, or the name leads out of the folder.
        """
        root = (self.folder / self.img_save_dir).resolve()
        file = (root / f"{name}_{step}.png").resolve()
        if not file.is_relative_to(root):
            raise ValueError(f"LocalVisBackend: the image name {name!r} leads out of {root}")
        data = encode_png(np.asarray(image))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Append a line with the number and its step.

        Args:
            name: Its name.
            value: The number; a tensor or array holds one.
            step: The iteration or epoch that it belongs to.
        """
        self.add_scalars({name: value}, step)

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Append a line with the numbers and their step.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to, unless they have a `step` among them.
            file_path: A further file in the folder, `.json`, that gets the same line.

        Raises:
            ValueError: That is the scalars' own file, or does not end with `.json`.
            TypeError: A value is no number.
        """
        if file_path is not None and (file_path == self.scalar_save_file or not file_path.endswith(".json")):
            raise ValueError(
                f"LocalVisBackend: file_path must end with .json and not be {self.scalar_save_file!r}, got {file_path!r}"
            )
        values = {name: each if type(each) in _PLAIN else as_number(name, each) for name, each in scalar_dict.items()}
        values.setdefault("step", step)
        line = json.dumps(values)
        self._file(self.scalar_save_file).append(line)
        if file_path is not None:
            self._file(file_path).append(line)

    def _file(self, name: str) -> LineFile:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = LineFile(self.folder / stay_inside("LocalVisBackend", "file_path", name))
        return file

    def close(self) -> None:
        """Close the files; the next line opens them again."""
        for file in self._files.values():
            file.close()


def as_number(name: str, value: Any) -> float:
    """A scalar as a Python number.

    Args:
        name: Its name, for the message.
        value: A number, or a tensor or array that holds one.

    Raises:
        TypeError: It is no number.
    """
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"scalar '{name}' must be a number, got {type(value).__name__}")
    return value
