"""Layer-wise decay of the learning rate: the deeper a layer, the larger its rate, for fine-tuning.

The first of the two constructors is that of MMPretrain, the second that of MMDetection and MMSegmentation, whose options
the migration guide of MMCV shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from torch import nn
from typing_extensions import Required

from runner.errors import BuildError
from runner.kinds import Interval
from runner.logging import MMLogger
from runner.optim.constructor import NORMS, DefaultOptimWrapperConstructor, GroupOptions, longest_key
from runner.optim.layer_depth import Layers, depth_function, find_layers

__all__ = ["LayerDecay", "LayerDecayCfg", "LayerDecayOptimizerConstructor", "LearningRateDecayOptimWrapperConstructor"]

_RATES = frozenset({"lr", "lr_mult"})


class LayerDecayCfg(TypedDict, total=False):
    """Rates by depth, and weight decay by kind of parameter. Any option makes one group per parameter.

    Attributes:
        layer_decay_rate: The learning rate of a layer over that of the one after it; the head has the optimizer's own.
            Default: 1.
        custom_keys: Options by a part of the parameter's name, but for the learning rate. The longest key that a name
            holds wins, and replaces the rules below.
        bias_decay_mult: Multiplies the weight decay of biases, but for norm layers' where `norm_decay_mult` is given.
        norm_decay_mult: Multiplies the weight decay of norm layers: batch, instance, group and layer norm.
        flat_decay_mult: Multiplies the weight decay of one-dimensional parameters that no other rule is for.
        bypass_duplicate: Leave out a parameter that was met before under another name, instead of refusing it.
            Default: false.
    """

    layer_decay_rate: Annotated[float, Interval(gt=0)]
    custom_keys: dict[str, GroupOptions]
    bias_decay_mult: Annotated[float, Interval(ge=0)] | None
    norm_decay_mult: Annotated[float, Interval(ge=0)] | None
    flat_decay_mult: Annotated[float, Interval(ge=0)] | None
    bypass_duplicate: bool


class LearningRateDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Learning rates that decay from layer to layer, from the head down: `layer_decay_rate ** (depths - 1 - depth)`.

    A model says by `get_layer_depth(name)` how deep a parameter lies, as MMPretrain's do. In others the layers are found
    by their names (`blocks`, `layers`, `stages`, `layer1`, …), which `runner.optim.layer_depth` describes; what each
    depth holds is logged.

    Args:
        optim_wrapper_cfg: A config's `optim_wrapper` without `constructor` and `paramwise_cfg`.
        paramwise_cfg: The decay of the rate, and of the weights.
    """

    allowed_options: ClassVar = LayerDecayCfg.__annotations__
    refused_in_custom_keys: ClassVar = _RATES

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: LayerDecayCfg | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)  # type: ignore[arg-type]  # other keys, which it is told of
        if self.paramwise_cfg and self.base_lr is None:
            raise BuildError("paramwise_cfg.layer_decay_rate multiplies optimizer.lr, which is not given; add it there")

    def add_params(  # type: ignore[override]  # MMPretrain's arguments
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = "",
        get_layer_depth: Callable[[str], tuple[int, int]] | None = None,
    ) -> None:
        """Append one group for each parameter of a module and of the modules in it.

        Args:
            params: The groups so far, appended to.
            module: The module.
            prefix: Its name in the model, with a dot after it.
            get_layer_depth: A parameter's depth, and how many depths there are; by default the model's own.
        """
        depth_of = get_layer_depth or depth_function(module)
        rate = self.paramwise_cfg.get("layer_decay_rate", 1.0)
        seen = {id(parameter) for group in params for parameter in group["params"]}
        table: dict[int, tuple[float, list[str]]] = {}
        for path, owner in module.named_modules():
            for name, parameter in owner.named_parameters(recurse=False):
                full_name = f"{prefix}{path}.{name}" if path else f"{prefix}{name}"
                if not parameter.requires_grad or (id(parameter) in seen and self._is_bypassed(full_name)):
                    continue
                seen.add(id(parameter))
                depth, depths = depth_of(full_name)
                scale = rate ** (depths - depth - 1)
                options = self._decay_of(owner, full_name, name, parameter)
                group = {"params": [parameter], **options, "lr": self.base_lr * scale}
                params.append({**group, "lr_scale": scale, "layer_id": depth})
                table.setdefault(depth, (scale, []))[1].append(full_name)
        _log(table)

    def _decay_of(self, module: nn.Module, full_name: str, name: str, parameter: nn.Parameter) -> dict[str, Any]:
        """The options of a parameter beside its learning rate."""
        if self.base_wd is None:
            return {}
        custom_keys = self.paramwise_cfg.get("custom_keys", {})
        key = longest_key(custom_keys, full_name)
        if key is not None:
            custom = dict(custom_keys[key])
            return {"weight_decay": self.base_wd * custom.pop("decay_mult", 1.0), **custom}
        rules = (
            ("norm_decay_mult", isinstance(module, NORMS)),
            ("bias_decay_mult", name == "bias"),
            ("flat_decay_mult", parameter.ndim == 1),
        )
        for option, applies in rules:
            if applies and self.paramwise_cfg.get(option) is not None:
                return {"weight_decay": self.base_wd * self.paramwise_cfg[option]}
        return {"weight_decay": self.base_wd}


class LayerDecay(TypedDict, total=False):
    """Rates by depth; biases, norms and other one-dimensional parameters have no weight decay.

    Attributes:
        decay_rate: The learning rate of a layer over that of the one after it; the head has the optimizer's own.
        decay_type: `layer_wise` counts layers, `stage_wise` the stages that they are in. Default: `layer_wise`.
        num_layers: How many layers the model has, without stem and head; another number than there are is an error. For
            four stages it may be the number after those of the third are counted in threes, and those of each other
            stage as one (6 and 12 for ConvNeXt). With `stage_wise` it is at least the number of stages. By default, as
            many as there are.
    """

    decay_rate: Required[Annotated[float, Interval(gt=0)]]
    decay_type: Literal["layer_wise", "stage_wise"]
    num_layers: Annotated[int, Interval(ge=1)]


class LayerDecayOptimizerConstructor(DefaultOptimWrapperConstructor):
    """Learning rates that decay from layer to layer, from the head down: `decay_rate ** (num_layers + 1 - depth)`.

    The stem has depth 0, the layers have 1 to `num_layers`. They are found as `runner.optim.layer_depth` describes.
    Parameters of one depth are two groups: those with weight decay, and those without (biases, other one-dimensional
    parameters, position embeddings and class tokens).

    Args:
        optim_wrapper_cfg: A config's `optim_wrapper` without `constructor` and `paramwise_cfg`.
        paramwise_cfg: The decay.
    """

    allowed_options: ClassVar = LayerDecay.__annotations__

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: LayerDecay | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)  # type: ignore[arg-type]  # other keys, which it is told of
        if "decay_rate" not in self.paramwise_cfg:
            raise BuildError(
                "LayerDecayOptimizerConstructor needs paramwise_cfg.decay_rate, for example "
                "{decay_type: layer_wise, decay_rate: 0.95}"
            )
        if self.base_lr is None:
            raise BuildError("paramwise_cfg.decay_rate multiplies optimizer.lr, which is not given; add it there")

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = "", is_dcn_module: bool = False
    ) -> None:
        """Append the groups of a model.

        Args:
            params: The groups so far, appended to.
            module: The model.
            prefix: Its name, where it is a part of another, for the log.
            is_dcn_module: Unused: all parameters are sorted by their depth.
        """
        del is_dcn_module
        depths, count = self._depths(find_layers(module))
        groups: dict[tuple[int, bool], dict[str, Any]] = {}
        table: dict[int, tuple[float, list[str]]] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            depth = depths[name]
            scale = self.paramwise_cfg["decay_rate"] ** (count - 1 - depth)
            is_free = parameter.ndim == 1 or name.rpartition(".")[2] in {"bias", "pos_embed", "cls_token"}
            group = {"params": [], "lr": scale * self.base_lr, "lr_scale": scale, "layer_id": depth}
            if is_free:
                group["weight_decay"] = 0.0
            elif self.base_wd is not None:
                group["weight_decay"] = self.base_wd
            groups.setdefault((depth, is_free), group)["params"].append(parameter)
            table.setdefault(depth, (scale, []))[1].append(f"{prefix}.{name}" if prefix else name)
        params.extend(groups.values())
        _log(table)

    def _depths(self, layers: Layers) -> tuple[Mapping[str, int], int]:
        """The depth of each parameter, and how many depths there are."""
        given = self.paramwise_cfg.get("num_layers")
        stages = [len(stage) for stage in layers.stages]
        if self.paramwise_cfg.get("decay_type", "layer_wise") == "stage_wise":
            if given is not None and given < len(stages):
                raise BuildError(f"paramwise_cfg.num_layers is {given}, and the model has {len(stages)} stages")
            count = (given or len(stages)) + 2
            last = len(stages) + 1
            return {name: count - 1 if depth == last else depth for name, depth in layers.stage_depths.items()}, count
        total = sum(stages)
        if given is None or given == total:
            return layers.depths, total + 2
        threes = 4 + (stages[2] - 1) // 3 if len(stages) == 4 else None
        if given != threes:
            also = f" or, with the layers of the third stage in threes, {threes}" if threes is not None else ""
            raise BuildError(
                f"paramwise_cfg.num_layers is {given}, and the model has {total} layers ({layers.names[0]} to "
                f"{layers.names[-1]}); give {total}{also}, or leave it out"
            )
        grouped = [1] * stages[0] + [2] * stages[1] + [3 + block // 3 for block in range(stages[2])]
        of_layer = [0, *grouped, *[given] * stages[3], given + 1]
        return {name: of_layer[depth] for name, depth in layers.depths.items()}, given + 2


def _log(table: Mapping[int, tuple[float, list[str]]]) -> None:
    """Say what lies how deep: a line for each depth."""
    logger = MMLogger.get_current_instance()
    for depth, (scale, names) in sorted(table.items()):
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        logger.info("layer_decay -- depth %d: lr_mult=%.4g for %s", depth, scale, some)
