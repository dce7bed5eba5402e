"""The contract of an inferencer: what happens to an input until it is a prediction."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from runner.build import Builder
from runner.checkpoint import load, load_state_dict
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.dataset import pseudo_collate
from runner.device import resolve_device
from runner.errors import CheckpointError, ConfigError, RunnerError
from runner.infer.model import built_model
from runner.infer.pipeline import composed, transform_places
from runner.infer.zoo import find_model, models
from runner.logging import print_log

if TYPE_CHECKING:
    from runner.visualization import Visualizer

__all__ = ["BaseInferencer"]


class BaseInferencer(ABC):
    """A trained model that is called with inputs and gives predictions.

    A call goes through `preprocess` (the pipeline and the collate function make batches), `forward` (the model's
    `test_step`), `visualize` and `postprocess`. A subclass has the last two, and says in four class attributes which
    keyword arguments of a call go to which method.

    Args:
        model: A config, its file, or the name of a model that a plugin lists; None takes the config that is in `weights`.
        weights: A checkpoint; without one the model is as its constructor left it.
        device: `cpu`, `cuda`, `cuda:N`, `mps`; None is the first accelerator that torch reports, else the CPU.
        scope: The plugin that wins where several offer a name; None is the config's `default_scope`.
        show_progress: Whether a terminal is shown how many batches are done.

    Attributes:
        preprocess_kwargs: Keywords of a call that `preprocess` takes.
        forward_kwargs: Keywords that `forward` takes.
        visualize_kwargs: Keywords that `visualize` takes.
        postprocess_kwargs: Keywords that `postprocess` takes.
        cfg: The config.
        model: The model, in evaluation mode, on its device; its `cfg` and `dataset_meta` are those that it was trained with.
        pipeline: Makes a sample of an input.
        collate_fn: Makes a batch of samples.
        visualizer: The config's; None where it has none.

    Raises:
        RunnerError: There is neither a config nor a checkpoint that holds one, or no model is called so.
    """

    preprocess_kwargs: ClassVar[set[str]] = set()
    forward_kwargs: ClassVar[set[str]] = set()
    visualize_kwargs: ClassVar[set[str]] = set()
    postprocess_kwargs: ClassVar[set[str]] = set()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        counts = Counter(name for names in cls._keywords() for name in names)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise TypeError(f"{cls.__name__}: {', '.join(twice)} would go to two methods; each keyword goes to one")

    def __init__(
        self,
        model: str | Path | Config | Mapping[str, Any] | None = None,
        weights: str | None = None,
        device: str | None = None,
        scope: str | None = None,
        show_progress: bool = True,
    ) -> None:
        cfg, weights = self._init_config(model, weights, scope)
        self.scope = scope or cfg.get("default_scope")
        self.show_progress = show_progress
        self._builder = Builder(scope=self.scope)
        self.model = self._init_model(cfg, weights, device or "auto")
        self.cfg = cfg
        self.pipeline = self._init_pipeline(cfg)
        self.collate_fn = self._init_collate(cfg)
        self.visualizer = self._init_visualizer(cfg)

    # ---- a call ------------------------------------------------------------------------------------------------------

    def __call__(
        self, inputs: Any, return_datasamples: bool = False, batch_size: int = 1, **kwargs: Any
    ) -> dict[str, Any]:
        """Predict.

        Args:
            inputs: One input, a list of them, or a folder whose files are inputs.
            return_datasamples: Whether the predictions are left as the model made them.
            batch_size: Inputs that the model is given at a time.
            **kwargs: For the four methods.

        Returns:
            `predictions` and `visualization`.

        Raises:
            ValueError: None of the methods takes a keyword.
        """
        to_preprocess, to_forward, to_visualize, to_postprocess = self._dispatch_kwargs(**kwargs)
        listed = self._inputs_to_list(inputs)
        batches = self.preprocess(listed, batch_size=batch_size, **to_preprocess)
        predictions: list[Any] = []
        for batch in self._progress(batches, -(-len(listed) // batch_size)):
            predictions.extend(self.forward(batch, **to_forward))
        shown = self.visualize(listed, predictions, **to_visualize)
        return self.postprocess(predictions, shown, return_datasamples, **to_postprocess)

    def preprocess(self, inputs: Any, batch_size: int = 1, **kwargs: Any) -> Iterable[Any]:
        """Make batches.

        Args:
            inputs: The inputs.
            batch_size: How many go into a batch.
            **kwargs: What `preprocess_kwargs` names.

        Yields:
            What the model's `test_step` takes.
        """
        del kwargs
        yield from map(self.collate_fn, self._get_chunk_data(map(self.pipeline, inputs), batch_size))

    @torch.no_grad()
    def forward(self, inputs: Any, **kwargs: Any) -> Any:
        """The model's predictions for a batch, one for each sample."""
        del kwargs
        step: Callable[[Any], Any] = self.model.test_step  # type: ignore[assignment]  # a method, not a submodule
        return step(inputs)

    @abstractmethod
    def visualize(self, inputs: list[Any], preds: Any, show: bool = False, **kwargs: Any) -> Any:
        """Draw predictions.

        Args:
            inputs: The inputs, as a list.
            preds: What the model said about them.
            show: Whether a window shows them.
            **kwargs: What `visualize_kwargs` names.

        Returns:
            The pictures; None where nothing is drawn.
        """

    @abstractmethod
    def postprocess(
        self, preds: Any, visualization: Any, return_datasamples: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Make predictions into plain data, and give them back with what was drawn.

        Args:
            preds: What the model said.
            visualization: What `visualize` returned.
            return_datasamples: Whether the predictions are left as they are.
            **kwargs: What `postprocess_kwargs` names.

        Returns:
            `predictions` and `visualization`.
        """

    # ---- models that are on offer ------------------------------------------------------------------------------------

    @staticmethod
    def list_models(scope: str | None = None, patterns: str = r".*") -> list[str]:
        """The names of the models that plugins list.

        Args:
            scope: The plugin; None asks all.
            patterns: A regular expression that names begin with.
        """
        return [name for model in models(scope) for name in model.names if re.match(patterns, name)]

    # ---- construction ------------------------------------------------------------------------------------------------

    def _init_config(self, model: Any, weights: str | None, scope: str | None) -> tuple[Config, str | None]:
        if model is None:
            if weights is None:
                raise RunnerError("neither a model nor weights are given; weights of this package hold their config")
            return _config_of(load(weights), weights), weights
        if isinstance(model, Config):
            return deepcopy(model), weights
        if isinstance(model, Mapping):
            return Config(model), weights
        if not isinstance(model, (str, Path)):
            raise TypeError(f"model is a config, a file or a model's name, and this is a {type(model).__name__}")
        if Path(model).is_file():
            return Config.fromfile(model), weights
        found = find_model(str(model), scope)
        return Config.fromfile(found.config), weights or found.weights

    def _init_model(self, cfg: Config, weights: str | None, device: str) -> nn.Module:
        run_custom_imports(cfg)
        model = built_model(self._builder, cfg)
        checkpoint = _read(weights) if weights is not None else None
        self._load_weights_to_model(model, checkpoint, cfg)
        model.cfg = cfg  # type: ignore[assignment]  # as MMEngine's inferencers, for those who read it there
        return model.to(resolve_device(device)).eval()

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict[str, Any] | None, cfg: Config | None) -> None:
        """Load weights, and what the training data said about itself.

        Args:
            model: The model.
            checkpoint: What the checkpoint holds.
            cfg: The config.
        """
        del cfg
        if checkpoint is None:
            print_log("no weights are given: the predictions are those of an untrained model", "current", "WARNING")
            model.dataset_meta = None  # type: ignore[assignment]  # as MMEngine's inferencers
            return
        report = load_state_dict(model, checkpoint.get("state_dict", checkpoint))
        if report:
            print_log(str(report), "current", "WARNING")
        meta = checkpoint.get("meta")
        model.dataset_meta = meta.get("dataset_meta") if isinstance(meta, Mapping) else None  # type: ignore[assignment]  # as above

    def _init_pipeline(self, cfg: Config) -> Callable[[Any], Any]:
        """What makes a sample of an input: by default the transforms of the test data, else of the validation data."""
        field = _loader_field(cfg)
        if field is None:
            return composed(None)
        loader = cfg.to_dict()[field]
        place = next(iter(transform_places(self._builder, loader.get("dataset"), (field, "dataset"))), None)
        given: Any = cfg.to_dict()
        for part in place or ():
            given = given.get(part) if isinstance(given, Mapping) else given[part]
        return composed(self._builder.fill("transform", given, place) if place is not None else None)

    def _init_collate(self, cfg: Config) -> Callable[[Any], Any]:
        """What makes a batch of samples: the test loader's collate function, else the validation loader's."""
        field = _loader_field(cfg)
        named = cfg.to_dict()[field].get("collate_fn") if field is not None else None
        if named is None:
            return pseudo_collate
        built: Callable[[Any], Any] = self._builder.build("function", named, (str(field), "collate_fn"))
        return built

    def _init_visualizer(self, cfg: Config) -> Visualizer | None:
        """The config's visualizer, without the folder of a run."""
        given = cfg.to_dict().get("visualizer")
        if given is None:
            return None
        built: Visualizer = self._builder.build("visualizer", given, ("visualizer",))
        return built

    # ---- the parts of a call -----------------------------------------------------------------------------------------

    def _inputs_to_list(self, inputs: Any) -> list[Any]:
        """One input, a list of them, or a folder's files in order, as a list."""
        if isinstance(inputs, (str, Path)):
            from runner.fileio import isdir, join_path, list_dir_or_file

            if isdir(inputs):
                return sorted(join_path(inputs, name) for name in list_dir_or_file(inputs, list_dir=False))
        return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]

    def _get_chunk_data(self, inputs: Iterable[Any], chunk_size: int) -> Iterator[list[Any]]:
        """Lists of so many items, the last one shorter."""
        chunk: list[Any] = []
        for each in inputs:
            chunk.append(each)
            if len(chunk) == chunk_size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _dispatch_kwargs(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Keywords by the method that they are for.

        Raises:
            ValueError: None of the methods takes one of them.
        """
        keywords = self._keywords()
        known = set().union(*keywords)
        unknown = sorted(set(kwargs) - known)
        if unknown:
            raise ValueError(
                f"{type(self).__name__} takes no {', '.join(unknown)}; "
                + (f"there are {', '.join(sorted(known))}" if known else "its methods take no keywords")
            )
        parts = [{name: value for name, value in kwargs.items() if name in names} for names in keywords]
        return parts[0], parts[1], parts[2], parts[3]

    @classmethod
    def _keywords(cls) -> Sequence[set[str]]:
        return cls.preprocess_kwargs, cls.forward_kwargs, cls.visualize_kwargs, cls.postprocess_kwargs

    def _progress(self, batches: Iterable[Any], total: int) -> Iterator[Any]:
        shows = self.show_progress and sys.stderr.isatty()
        for number, batch in enumerate(batches, 1):
            yield batch
            if shows:
                sys.stderr.write(f"\rInference {number}/{total}" + ("\n" if number == total else ""))


def _loader_field(cfg: Config) -> str | None:
    return next((name for name in ("test_dataloader", "val_dataloader") if cfg.get(name) is not None), None)


def _read(weights: str) -> dict[str, Any]:
    """A checkpoint, fetched first where it lies elsewhere."""
    if "://" not in weights:
        return load(weights)
    from runner.fileio import get_local_path

    with get_local_path(weights) as local:
        return load(local)


def _config_of(checkpoint: Mapping[str, Any], weights: str) -> Config:
    """The config that a checkpoint holds.

    Raises:
        CheckpointError: It holds none, or one in Python, as MMEngine's do, which is not run.
    """
    meta = checkpoint.get("meta")
    text = meta.get("cfg") if isinstance(meta, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise CheckpointError(f"{weights} holds no config; give the config too")
    try:
        config = Config.fromstring(text, ".yaml")
    except ConfigError as error:
        raise CheckpointError(f"{weights} holds a config that is no YAML of ours; give the config too") from error
    if not isinstance(config.get("model"), Mapping):
        raise CheckpointError(f"{weights} holds a config without a model; give the config too")
    return config
