"""Sorting a model's parameters into groups, each with its own learning rate and weight decay."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Protocol, TypedDict

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.optim import Optimizer

from runner import registry
from runner.errors import BuildError
from runner.kinds import Interval
from runner.logging import MMLogger
from runner.optim.optim_wrapper import OptimWrapper
from runner.optim.options import check_keys

__all__ = [
    "NORMS",
    "Build",
    "CustomKey",
    "DefaultOptimWrapperConstructor",
    "GroupOptions",
    "ParamwiseCfg",
    "build_by_name",
    "longest_key",
]

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
_DEFORMABLE = frozenset({"DeformConv2d", "ModulatedDeformConv2d"})
_DECAY_OPTIONS = ("bias_decay_mult", "norm_decay_mult", "flat_decay_mult", "dwconv_decay_mult")
_LR_OPTIONS = ("bias_lr_mult", "dcn_offset_lr_mult")


class GroupOptions(TypedDict, total=False):
    """Options for a group of parameters, but for its learning rate. One that the optimizer does not have is an error.

    Attributes:
        decay_mult: Multiplies the optimizer's weight decay. Default: 1.
        weight_decay: The weight decay itself.
        momentum: The momentum, of SGD and its kin.
        dampening: The dampening of the momentum, of SGD.
        nesterov: Nesterov's momentum, of SGD and Muon.
        betas: The decay of the running averages, of Adam and its kin.
        eps: What is added to a denominator, of Adam and its kin; two numbers for Adafactor.
        amsgrad: AMSGrad's maximum of the second moment, of Adam and its kin.
        decoupled_weight_decay: Decay the weights and not the gradients, of Adam and its kin.
        momentum_decay: The decay of the momentum, of NAdam.
        alpha: The decay of the running average, of RMSprop; the power of the learning rate's decay, of ASGD.
        centered: The centered variant of RMSprop.
        rho: The decay of the running average, of Adadelta.
        lr_decay: The decay of the learning rate, of Adagrad.
        lambd: The decay of the parameters, of ASGD.
        t0: The step from which on parameters are averaged, of ASGD.
        etas: What a step's size is multiplied by when the gradient's sign changes and when it stays, of Rprop.
        step_sizes: The smallest and the largest step, of Rprop.
        beta2_decay: The decay of the second moment's coefficient, of Adafactor.
        d: The largest root mean square of an update, of Adafactor.
        ns_coefficients: The three coefficients of the Newton-Schulz iteration, of Muon.
        ns_steps: The iterations of Newton-Schulz, of Muon.
        adjust_lr_fn: How the learning rate is adjusted to a matrix's shape, of Muon.
        maximize: Go up the gradient instead of down.
        foreach: Update all parameters of a group at once.
        fused: Update in one kernel.
        capturable: Allow a CUDA graph to capture the update.
        differentiable: Let gradients flow through the update.
    """

    decay_mult: Annotated[float, Interval(ge=0)]
    weight_decay: Annotated[float, Interval(ge=0)]
    momentum: Annotated[float, Interval(ge=0)]
    dampening: float
    nesterov: bool
    betas: list[float]
    eps: Annotated[float, Interval(ge=0)] | list[float | None]
    amsgrad: bool
    decoupled_weight_decay: bool
    momentum_decay: Annotated[float, Interval(ge=0)]
    alpha: Annotated[float, Interval(ge=0)]
    centered: bool
    rho: Annotated[float, Interval(ge=0, le=1)]
    lr_decay: Annotated[float, Interval(ge=0)]
    lambd: Annotated[float, Interval(ge=0)]
    t0: Annotated[float, Interval(ge=0)]
    etas: list[float]
    step_sizes: list[float]
    beta2_decay: Annotated[float, Interval(le=0)]
    d: Annotated[float, Interval(ge=1)]
    ns_coefficients: list[float]
    ns_steps: Annotated[int, Interval(ge=1)]
    adjust_lr_fn: str | None
    maximize: bool
    foreach: bool | None
    fused: bool | None
    capturable: bool
    differentiable: bool


class CustomKey(GroupOptions, total=False):
    """What holds for the parameters whose name holds a key of `custom_keys`.

    Beside the two multipliers, options of the optimizer's parameter groups can be set. One that the optimizer does not
    have is an error.

    Attributes:
        lr_mult: Multiplies the optimizer's learning rate. Default: 1.
        lr: The learning rate itself.
    """

    lr_mult: Annotated[float, Interval(ge=0)]
    lr: Annotated[float, Interval(ge=0)]


class ParamwiseCfg(TypedDict, total=False):
    """What holds for some parameters and not for others. Any option makes one group per parameter that is trained.

    Attributes:
        custom_keys: Options by a part of the parameter's name (`backbone`, `.norm`). The longest key that a name holds
            wins, among equally long ones the first in the alphabet, and replaces all the rules below. A key that no
            name holds is an error.
        bias_lr_mult: Multiplies the learning rate of biases, but for norm layers' and deformable offsets'.
        bias_decay_mult: Multiplies the weight decay of biases, but for deformable offsets', and for norm layers' where
            `norm_decay_mult` is given.
        norm_decay_mult: Multiplies the weight decay of norm layers: batch, instance, group and layer norm.
        flat_decay_mult: Multiplies the weight decay of one-dimensional parameters that no other rule is for.
        dwconv_decay_mult: Multiplies the weight decay of depth-wise convolutions.
        dcn_offset_lr_mult: Multiplies the learning rate of the `conv_offset` layers of deformable convolutions.
        bypass_duplicate: Leave out a parameter that was met before under another name, instead of refusing it.
            Default: false.
    """

    custom_keys: dict[str, CustomKey]
    bias_lr_mult: Annotated[float, Interval(ge=0)] | None
    bias_decay_mult: Annotated[float, Interval(ge=0)] | None
    norm_decay_mult: Annotated[float, Interval(ge=0)] | None
    flat_decay_mult: Annotated[float, Interval(ge=0)] | None
    dwconv_decay_mult: Annotated[float, Interval(ge=0)] | None
    dcn_offset_lr_mult: Annotated[float, Interval(ge=0)] | None
    bypass_duplicate: bool


class Build(Protocol):
    """Builds a component of a kind, as `Builder.build` does."""

    def __call__(self, kind: str, cfg: Any, /, **injected: Any) -> Any:
        """Build it; `injected` holds where `cfg` does not give an argument."""


def build_by_name(kind: str, cfg: Any, /, **injected: Any) -> Any:
    """Build a part of an optimizer wrapper through the registries.

    Args:
        kind: `optimizer`, `optim_wrapper` or `optim_wrapper_constructor`.
        cfg: A mapping with `type`.
        **injected: Arguments that hold where `cfg` does not give them.
    """
    registries = {
        "optimizer": registry.OPTIMIZERS,
        "optim_wrapper": registry.OPTIM_WRAPPERS,
        "optim_wrapper_constructor": registry.OPTIM_WRAPPER_CONSTRUCTORS,
    }
    return registries[kind].build(cfg, **injected)


class DefaultOptimWrapperConstructor:
    """Builds an optimizer wrapper for a model: one group of parameters, or one each where `paramwise_cfg` is given.

    Args:
        optim_wrapper_cfg: A config's `optim_wrapper` without `constructor` and `paramwise_cfg`. Its `optimizer` is a
            mapping, or an optimizer that is already built and taken as it is.
        paramwise_cfg: What holds for some parameters and not for others.
    """

    build: Build = staticmethod(build_by_name)
    """Resolves names; a Runner puts its own builder here."""

    allowed_options: ClassVar[Collection[str]] = ParamwiseCfg.__annotations__
    """The keys of `paramwise_cfg`."""

    refused_in_custom_keys: ClassVar[frozenset[str]] = frozenset()
    """Options that a key of `custom_keys` can't set, since the constructor sets them."""

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: ParamwiseCfg | None = None) -> None:
        if "optimizer" not in optim_wrapper_cfg:
            raise BuildError("optim_wrapper needs an 'optimizer', for example {type: SGD, lr: 0.1}")
        self.optim_wrapper_cfg = {key: value for key, value in optim_wrapper_cfg.items() if key != "optimizer"}
        given = optim_wrapper_cfg["optimizer"]
        self.optimizer = given if isinstance(given, Optimizer) else None
        self.optimizer_cfg: dict[str, Any] = {} if self.optimizer is not None else dict(given)
        self.paramwise_cfg: dict[str, Any] = dict(paramwise_cfg or {})
        self.base_lr: Any = self.optimizer_cfg.get("lr")
        self.base_wd: Any = self.optimizer_cfg.get("weight_decay")
        self._validate_cfg()

    def _validate_cfg(self) -> None:
        """Refuse options that nobody reads, and multipliers of what is not given."""
        options = check_keys(self.paramwise_cfg, self.allowed_options, name="paramwise_cfg")
        if options and self.optimizer is not None:
            raise BuildError(
                "paramwise_cfg sorts parameters into groups, but this optimizer is already built with its own; give "
                "the optimizer as a mapping, or leave paramwise_cfg out"
            )
        uses = {option for option in (*_DECAY_OPTIONS, *_LR_OPTIONS) if options.get(option) is not None}
        for key, custom in options.get("custom_keys", {}).items():
            if not isinstance(custom, Mapping):
                raise BuildError(
                    f"paramwise_cfg.custom_keys.{key} must be a mapping such as {{lr_mult: 0.1}}, got {custom!r}"
                )
            uses |= {f"custom_keys.{key}.{option}" for option in ("lr_mult", "decay_mult") if option in custom}
        for option in sorted(uses):
            base, value = ("lr", self.base_lr) if "lr_mult" in option else ("weight_decay", self.base_wd)
            if value is None:
                raise BuildError(
                    f"paramwise_cfg.{option} multiplies optimizer.{base}, which is not given; add it there"
                )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper.

        Args:
            model: The model whose parameters are trained; one wrapped for distributed training is unwrapped.
        """
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        optimizer = self.optimizer
        if optimizer is None:
            groups: Any = model.parameters()
            if self.paramwise_cfg:
                groups = []
                self.add_params(groups, model)
            optimizer = self.build("optimizer", self.optimizer_cfg, params=groups)
            self._check_custom_keys(model, optimizer)
        wrapper: OptimWrapper = self.build("optim_wrapper", self.optim_wrapper_cfg, optimizer=optimizer)
        return wrapper

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = "", is_dcn_module: bool = False
    ) -> None:
        """Append one group for each parameter of a module and of the modules in it.

        Args:
            params: The groups so far, appended to.
            module: The module.
            prefix: Its name in the model.
            is_dcn_module: Whether the module that it stands in is a deformable convolution.
        """
        logger = MMLogger.get_current_instance()
        seen = {id(parameter) for group in params for parameter in group["params"]}
        for path, owner, in_deformable in _walk(module, prefix, is_dcn_module):
            for name, parameter in owner.named_parameters(recurse=False):
                full_name = f"{path}.{name}" if path else name
                if id(parameter) in seen and self._is_bypassed(full_name):
                    continue
                if not parameter.requires_grad:
                    logger.info("%s is not trained: its requires_grad is False", full_name)
                    continue
                seen.add(id(parameter))
                options = self._custom_options(f"{path}.{name}")
                if options is None:
                    options = self._rule_options(owner, path, name, parameter, in_deformable)
                params.append({"params": [parameter], **options})
                for key, value in options.items():
                    logger.info("paramwise_options -- %s:%s=%s", full_name, key, value)

    def _is_bypassed(self, name: str) -> bool:
        if self.paramwise_cfg.get("bypass_duplicate", False):
            MMLogger.get_current_instance().warning("%s is shared and already has a group; it gets no second one", name)
            return True
        raise BuildError(
            f"{name} is a parameter that stands in the model under another name too; a parameter has one group. "
            "Set paramwise_cfg.bypass_duplicate: true to keep the first"
        )

    def _custom_options(self, name: str) -> dict[str, Any] | None:
        """The options of the `custom_keys` entry that holds for a parameter; None if none does."""
        custom_keys = self.paramwise_cfg.get("custom_keys", {})
        key = longest_key(custom_keys, name)
        if key is None:
            return None
        custom = custom_keys[key]
        options: dict[str, Any] = {}
        if self.base_lr is not None:
            options["lr"] = self.base_lr * custom.get("lr_mult", 1.0)
        if self.base_wd is not None:
            options["weight_decay"] = self.base_wd * custom.get("decay_mult", 1.0)
        return {**options, **custom}

    def _rule_options(
        self, module: nn.Module, path: str, name: str, parameter: nn.Parameter, in_deformable: bool
    ) -> dict[str, Any]:
        """The options that the kind of a parameter and of its module give it."""
        given = self.paramwise_cfg.get
        is_norm = isinstance(module, NORMS)
        is_depthwise = isinstance(module, nn.Conv2d) and module.in_channels == module.groups
        is_offset = in_deformable and "conv_offset" in path and isinstance(module, nn.Conv2d)
        options: dict[str, Any] = {}
        if is_offset and given("dcn_offset_lr_mult") is not None:
            options["lr"] = self.base_lr * given("dcn_offset_lr_mult")
        elif name == "bias" and not is_norm and not in_deformable and given("bias_lr_mult") is not None:
            options["lr"] = self.base_lr * given("bias_lr_mult")
        if self.base_wd is None:
            return options
        rules = (
            ("norm_decay_mult", is_norm),
            ("bias_decay_mult", name == "bias" and not in_deformable),
            ("dwconv_decay_mult", is_depthwise),
            ("flat_decay_mult", parameter.ndim == 1 and not in_deformable),
        )
        for option, applies in rules:
            if applies and given(option) is not None:
                options["weight_decay"] = self.base_wd * given(option)
                break
        return options

    def _check_custom_keys(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Refuse a key that no parameter's name holds, and an option that the optimizer does not have."""
        names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        for key, custom in self.paramwise_cfg.get("custom_keys", {}).items():
            where = f"paramwise_cfg.custom_keys.{key}"
            allowed = {"lr_mult", "decay_mult", *optimizer.defaults} - self.refused_in_custom_keys
            check_keys(custom, allowed, name=where)
            # A name at the top of the model has no dot before it; MMEngine's rule puts one there.
            if any(key in (name if "." in name else f".{name}") for name in names):
                continue
            near = difflib.get_close_matches(key, _parts(names), n=3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
            some = ", ".join(names[:3])
            raise BuildError(f"{where}: no parameter's name holds '{key}'{hint} Names look like: {some}")


def longest_key(custom_keys: Collection[str], name: str) -> str | None:
    """The key of `custom_keys` that holds for a parameter: the longest in its name, the first in the alphabet of these."""
    matching = [key for key in custom_keys if key in name]
    return min(matching, key=lambda key: (-len(key), key)) if matching else None


def _walk(module: nn.Module, prefix: str, in_deformable: bool) -> Iterator[tuple[str, nn.Module, bool]]:
    """A module and all modules in it, each with its name and whether it stands in a deformable convolution."""
    yield prefix, module, in_deformable
    # By name, since the classes are mmcv's, which need not be installed.
    is_deformable = any(cls.__name__ in _DEFORMABLE for cls in type(module).__mro__)
    for name, child in module.named_children():
        yield from _walk(child, f"{prefix}.{name}" if prefix else name, is_deformable)


def _parts(names: list[str]) -> list[str]:
    """What a key could have been meant to be: each name, its parts, and the names of the modules it stands in."""
    parts: dict[str, None] = {}
    for name in names:
        pieces = name.split(".")
        parts.update(dict.fromkeys(pieces))
        parts.update(dict.fromkeys(".".join(pieces[:length]) for length in range(2, len(pieces) + 1)))
    return list(parts)
