"""Looking at what a classifier gets wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import PIL.Image
import torch
from typing_extensions import override

from runner.dist import all_gather_object, get_data_rank, get_data_world_size, get_tensor_parallel_size, is_main_process
from runner.hooks import Hook
from runner.kinds import Interval
from runner_vision.predictions import images_of, read_predictions

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["MisclassifiedHook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mistake:
    position: int
    label: int
    prediction: int
    confidence: float | None
    pixels: np.ndarray[Any, Any]

    def order(self) -> tuple[float, int]:
        """The surest mistakes first, and the same order in every run."""
        return (-(self.confidence or 0.0), self.position)


class MisclassifiedHook(Hook):
    """Write the worst mistakes of each validation and test as images, with an index.

    The worst are those that the model is surest of. They lie in `LOG_DIR/misclassified/val_epoch_3` as
    `00_label_7_prediction_1.png` and so on, with `index.json` beside them: for each file the true label, the prediction,
    its confidence, and the image's position in the data set (in the order of a loader that does not shuffle).

    Args:
        num_images: How many images are written.
        mean: What `Normalize` subtracted, to be added again; one number for each channel.
        std: What `Normalize` divided by, to be multiplied again; one number for each channel.
        min_size: Smaller images are enlarged, by a whole factor, until their shorter edge has so many pixels.
    """

    priority = "LOW"

    def __init__(
        self,
        num_images: Annotated[int, Interval(ge=1)] = 16,
        mean: Sequence[float] | None = None,
        std: Sequence[Annotated[float, Interval(gt=0)]] | None = None,
        min_size: Annotated[int, Interval(ge=1)] = 64,
    ) -> None:
        self.num_images = num_images
        self.mean = mean
        self.std = std
        self.min_size = min_size
        self._seen = 0
        self._worst: list[_Mistake] = []

    @override
    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        if mode != "train":
            self._seen = 0
            self._worst = []

    @override
    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Keep the worst mistakes so far."""
        self._look(data_batch, outputs or ())

    @override
    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Keep the worst mistakes so far."""
        self._look(data_batch, outputs or ())

    @override
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write them."""
        loop = runner.val_loop
        self._write(runner, f"val_epoch_{runner.epoch}", loop.dataloader.dataset if loop is not None else None)

    @override
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write them."""
        loop = runner.test_loop
        self._write(runner, "test", loop.dataloader.dataset if loop is not None else None)

    def _look(self, data_batch: Any, outputs: Sequence[Any]) -> None:
        said = read_predictions(data_batch, outputs)
        sure = None if said.scores is None else said.scores.max(dim=1).values.tolist()
        images = images_of(data_batch)
        found = []
        for row in (said.labels != said.truths).nonzero().flatten().tolist():
            confidence = None if sure is None else float(sure[row])
            if self._is_among_worst(confidence):
                mistake = _Mistake(
                    # Ranks take turns in the data set's order.
                    position=(self._seen + row) * get_data_world_size() + get_data_rank(),
                    label=int(said.truths[row]),
                    prediction=int(said.labels[row]),
                    confidence=confidence,
                    pixels=self._pixels(images[row]),
                )
                found.append(mistake)
        self._worst = sorted([*self._worst, *found], key=_Mistake.order)[: self.num_images]
        self._seen += len(said.labels)

    def _is_among_worst(self, confidence: float | None) -> bool:
        return len(self._worst) < self.num_images or (confidence or 0.0) > (self._worst[-1].confidence or 0.0)

    def _pixels(self, image: Any) -> np.ndarray[Any, Any]:
        """Bytes of shape (H, W) or (H, W, 3)."""
        if not isinstance(image, torch.Tensor) or image.ndim != 3:
            raise TypeError(f"MisclassifiedHook got a {type(image).__name__} as image; it takes tensors (C, H, W)")
        if image.is_floating_point():
            image = image.detach().float().cpu()
            if self.std is not None:
                image = image * torch.tensor(self.std).view(-1, 1, 1)
            if self.mean is not None:
                image = image + torch.tensor(self.mean).view(-1, 1, 1)
            image = (image.clamp(0, 1) * 255).round()
        array: np.ndarray[Any, Any] = image.to("cpu", torch.uint8).numpy()
        picture: np.ndarray[Any, Any] = (array.transpose(1, 2, 0) if len(array) == 3 else array[0]).copy()
        return picture

    def _write(self, runner: Runner, name: str, dataset: Any) -> None:
        parts = all_gather_object(self._worst)[:: get_tensor_parallel_size()]
        worst = [mistake for part in parts for mistake in part]
        if not is_main_process():
            return
        size = len(dataset) if hasattr(dataset, "__len__") else None
        # Beyond the data set's end lies what ranks repeat to come out even.
        worst = [mistake for mistake in worst if size is None or mistake.position < size]
        worst = sorted(worst, key=_Mistake.order)[: self.num_images]
        folder = Path(runner.log_dir, "misclassified", name)
        folder.mkdir(parents=True, exist_ok=True)
        classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
        index = []
        for number, mistake in enumerate(worst):
            file = f"{number:02d}_label_{mistake.label}_prediction_{mistake.prediction}.png"
            self._enlarged(mistake.pixels).save(folder / file)
            entry = {"file": file, **{key: value for key, value in asdict(mistake).items() if key != "pixels"}}
            if classes:
                entry |= {"label_name": classes[mistake.label], "prediction_name": classes[mistake.prediction]}
            index.append(entry)
        (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        runner.logger.info(f"the {len(index)} worst mistakes lie in {folder}")

    def _enlarged(self, pixels: np.ndarray[Any, Any]) -> PIL.Image.Image:
        image = PIL.Image.fromarray(pixels)
        factor = -(-self.min_size // min(image.size))
        return image.resize((image.width * factor, image.height * factor), PIL.Image.Resampling.NEAREST)
