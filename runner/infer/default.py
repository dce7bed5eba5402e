"""An inferencer for models whose inputs are images or arrays: what `runner predict` uses where a config names no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from runner.config import Config
from runner.errors import BuildError, RunnerError
from runner.infer.drawing import drawn, labelled
from runner.infer.inferencer import BaseInferencer
from runner.infer.pipeline import composed
from runner.infer.plain import plain
from runner.kinds import Slot

__all__ = ["DefaultInferencer"]

IMAGES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""How the names of files end that Pillow reads."""


class DefaultInferencer(BaseInferencer):
    """Predicts for image files and arrays.

    An input is an image file, or an array. A file that ends in `.npy` holds a stack of inputs: its first dimension counts
    them. Without a `pipeline`, an image and an array of bytes of shape (H, W) or (H, W, 3) become a PIL image, any other
    array a tensor, and the transforms of the test data (else of the validation data) follow.

    A sample that is no mapping is given to the model alone, as the batch's first entry, or under `key`.

    Args:
        model: A config, its file, or the name of a model that a plugin lists; None takes the config that is in `weights`.
        weights: A checkpoint.
        device: `cpu`, `cuda`, `cuda:N`, `mps`; None is the first accelerator that torch reports, else the CPU.
        scope: The plugin that wins where several offer a name.
        show_progress: Whether a terminal is shown how many batches are done.
        pipeline: Transforms that make a sample of an input (a file's path or an array), first to last, in place of all
            that is described above.
        key: The input's name in the batch, for models that take a mapping; None is what a `ModuleAdapter` names, else no name.
    """

    visualize_kwargs = {"show", "wait_time", "show_dir"}  # noqa: RUF012 - the base class declares a ClassVar

    def __init__(
        self,
        model: str | Path | Config | Mapping[str, Any] | None = None,
        weights: str | None = None,
        device: str | None = None,
        scope: str | None = None,
        show_progress: bool = True,
        pipeline: Annotated[Sequence[Any] | Callable[[Any], Any] | None, Slot("transform")] = None,
        key: str | None = None,
    ) -> None:
        self._given = pipeline
        self._key = key
        super().__init__(model, weights, device, scope, show_progress)

    def named_inputs(self, inputs: Any) -> list[tuple[str, Any]]:
        """Each input with what to call it: a file's path, its place in a stack, or its number.

        Args:
            inputs: One input, a list of them, or a folder.

        Raises:
            RunnerError: A file is not there, or is none that can be read.
        """
        named: list[tuple[str, Any]] = []
        for number, each in enumerate(super()._inputs_to_list(inputs)):
            if not isinstance(each, (str, Path)):
                named.append((str(number), each))
            elif Path(each).suffix.lower() == ".npy":
                named += [(f"{each}[{row}]", array) for row, array in enumerate(_stack(Path(each)))]
            else:
                named.append((str(each), str(each)))
        return named

    def _inputs_to_list(self, inputs: Any) -> list[Any]:
        return [value for _, value in self.named_inputs(inputs)]

    def _init_pipeline(self, cfg: Config) -> Callable[[Any], Any]:
        if self._given is None:
            transforms, read = super()._init_pipeline(cfg), _read
        else:
            given = self._builder.fill("transform", self._given, ("inferencer", "pipeline"))
            transforms, read = composed(given), _as_it_is
        key = self._key or _key_of(self.model)

        def sample(value: Any) -> Any:
            made = transforms(read(value))
            if isinstance(made, Mapping):
                return made
            tensor = _as_tensor(made)
            return (tensor,) if key is None else {key: tensor}

        return sample

    def forward(self, inputs: Any, **kwargs: Any) -> list[Any]:
        """The model's predictions for a batch, one for each sample, also where the model returns them stacked."""
        outputs: Any = super().forward(inputs, **kwargs)
        if isinstance(outputs, Mapping):
            return [dict(zip(outputs, each, strict=True)) for each in zip(*outputs.values(), strict=True)]
        return list(outputs)

    def visualize(
        self,
        inputs: list[Any],
        preds: Any,
        show: bool = False,
        wait_time: float = 0,
        show_dir: str | None = None,
        **kwargs: Any,
    ) -> list[Any] | None:
        """Draw predictions on images.

        Args:
            inputs: The inputs: image files, or arrays of bytes.
            preds: What the model said about them.
            show: Whether a window shows them.
            wait_time: Seconds that it stays; 0 waits for a key.
            show_dir: The folder that pictures are written to.
            **kwargs: None are taken.

        Returns:
            Arrays of shape (H, W, 3), one for each input; None where nothing is drawn.
        """
        del kwargs
        if not show and show_dir is None:
            return None
        return list(
            drawn(inputs, [self._plain(each) for each in preds], show=show, wait_time=wait_time, folder=show_dir)
        )

    def postprocess(
        self, preds: Any, visualization: Any, return_datasamples: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Make predictions into numbers, lists and mappings, with `pred_class`, the name of `pred_label`, where it is known.

        Args:
            preds: What the model said.
            visualization: What `visualize` returned.
            return_datasamples: Whether the predictions are left as they are.
            **kwargs: None are taken.

        Returns:
            `predictions` and `visualization`.
        """
        del kwargs
        predictions = list(preds) if return_datasamples else [self._plain(each) for each in preds]
        return {"predictions": predictions, "visualization": visualization}

    def _plain(self, prediction: Any) -> dict[str, Any]:
        made = plain(prediction)
        if not isinstance(made, dict):
            return {"prediction": made}
        meta: Any = self.model.dataset_meta
        return labelled(made, meta.get("classes") if isinstance(meta, Mapping) else None)


def _key_of(model: Any) -> str | None:
    """The input's name in the batch, for an adapter that takes one input by name."""
    from runner.model import ModuleAdapter

    chosen = model.predict_inputs if isinstance(model, ModuleAdapter) else None
    return chosen if isinstance(chosen, str) and "." not in chosen else None


def _as_it_is(value: Any) -> Any:
    return value


def _read(value: Any) -> Any:
    """An input as the test data's transforms take it.

    Raises:
        RunnerError: The file is none that can be read.
    """
    if isinstance(value, str):
        return _image(value)
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[2] == 3)):
            return _pillow().fromarray(value)
        return torch.from_numpy(np.array(value))  # a copy: a file's array can't be written to
    return value


def _image(file: str) -> Any:
    if Path(file).suffix.lower() not in IMAGES:
        raise RunnerError(
            f"{file}: neither an image nor .npy; give the config an `inferencer` with a `pipeline` for it"
        )
    pillow = _pillow()
    try:
        with Path(file).open("rb") as stream, pillow.open(stream) as opened:
            return opened.convert("RGB")
    except OSError as error:
        raise RunnerError(f"{file} can't be read as an image: {error}") from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise RunnerError("images are read by Pillow, which is missing; pip install pillow") from error
    return Image


def _stack(file: Path) -> Any:
    try:
        array: Any = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RunnerError(f"{file} can't be read as an array: {error}") from error
    if array.ndim < 1:
        raise RunnerError(f"{file} holds a single number; the first dimension of its array has to count the inputs")
    return array


def _as_tensor(made: Any) -> torch.Tensor:
    if isinstance(made, np.ndarray):
        return torch.from_numpy(made)
    if not isinstance(made, torch.Tensor):
        raise BuildError(
            f"an input becomes a {type(made).__name__}, and a model takes tensors; end the pipeline with ToTensor, or "
            "give a pipeline of your own",
            path=("inferencer", "pipeline"),
        )
    return made
