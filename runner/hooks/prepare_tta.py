"""Testing with test-time augmentation: several views of each sample, merged by a model around the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Annotated, Any

from torch import nn

from runner.errors import BuildError, Path
from runner.hooks.hook import Hook
from runner.kinds import Slot

if TYPE_CHECKING:
    from runner.config import Config
    from runner.runner import Runner

__all__ = ["PrepareTTAHook", "build_runner_with_tta"]

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class PrepareTTAHook(Hook):
    """Puts a `BaseTTAModel` around the model while it is tested.

    Args:
        tta_cfg: The `BaseTTAModel`: its `type` and arguments, without `module`.
    """

    def __init__(self, tta_cfg: Annotated[dict[str, Any], Slot("tta_model")]) -> None:
        self.tta_cfg = tta_cfg
        self._inner: nn.Module | None = None

    def before_test(self, runner: Runner) -> None:
        """Wrap the model, once its weights are loaded."""
        if self._inner is not None and runner.model is not self._inner:
            return  # the test before this one failed halfway
        self._inner = runner.model
        merging = runner.builder.build("tta_model", {**self.tta_cfg, "module": runner.model}, ("tta_model",))
        runner.model = merging.to(runner.device)

    def after_test(self, runner: Runner) -> None:
        """Give the Runner its own model back."""
        if self._inner is not None:
            runner.model, self._inner = self._inner, None


def build_runner_with_tta(cfg: Config | dict[str, Any], *, device: str = "auto") -> Runner:
    """Build a Runner whose `test()` augments: `tta_pipeline` transforms the test data, `tta_model` merges.

    Args:
        cfg: A config with `tta_model`, `tta_pipeline` and the fields of a test.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        BuildError: A field is missing, or the test's data set takes no transforms.
        ConfigError: The config has problems; carries all of them.
    """
    from runner.build import Builder
    from runner.config import Config
    from runner.custom_imports import run_custom_imports
    from runner.infer.pipeline import transform_places
    from runner.runner import Runner

    config = cfg if isinstance(cfg, Config) else Config(cfg)
    missing = [name for name in ("tta_model", "tta_pipeline", "test_dataloader") if config.get(name) is None]
    if missing:
        raise BuildError(f"test-time augmentation needs {', '.join(missing)} in the config")
    run_custom_imports(config)
    path: Path = ("test_dataloader", "dataset")
    builder = Builder(scope=config.get("default_scope"))
    places = list(transform_places(builder, config.to_dict()["test_dataloader"]["dataset"], path))
    if not places:
        raise BuildError("the data set takes no transforms, so tta_pipeline has no place in it", path=path)
    config.merge_from_dict({"test_dataloader": {"_delete_": True, **_placed(config.composition.raw, places)}})
    runner = Runner.from_cfg(config, device=device)
    runner.register_hook(PrepareTTAHook(config.to_dict()["tta_model"]))
    return runner


def _placed(raw: Mapping[str, Any], places: Sequence[Path]) -> dict[str, Any]:
    """The test loader as it is written, with `tta_pipeline` at some places; references on the way there are followed."""
    loader: dict[str, Any] = _written(raw, raw["test_dataloader"])
    for place in places:
        holder: Any = loader
        for part in place[1:-1]:
            holder[part] = _written(raw, holder[part])
            holder = holder[part]
        holder[place[-1]] = "${tta_pipeline}"
    return loader


def _written(raw: Mapping[str, Any], value: Any) -> Any:
    """A copy of a value, or of what stands at the place that it refers to."""
    while isinstance(value, str) and (reference := _REFERENCE.fullmatch(value)):
        value = raw
        for part in reference[1].split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    return deepcopy(value)
