"""How weights are filled: the initializers that `init_cfg` names, the functions that they are made of, and `initialize`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from torch import nn

from runner.checkpoint import load, load_state_dict
from runner.errors import BuildError, CheckpointError
from runner.kinds import Interval
from runner.logging import MMLogger
from runner.model.init_functions import (
    bias_init_with_prob,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)
from runner.registry import WEIGHT_INITIALIZERS

__all__ = [
    "BaseInit",
    "Caffe2XavierInit",
    "ConstantInit",
    "KaimingInit",
    "NormalInit",
    "PretrainedInit",
    "TruncNormalInit",
    "UniformInit",
    "XavierInit",
    "initialize",
    "update_init_info",
]


def update_init_info(module: nn.Module, init_info: str) -> None:
    """Note which of a module's parameters were changed since the last call, and by what.

    It works while `BaseModule.init_weights` runs; a change is told by a parameter's mean.

    Args:
        module: One of the modules that are being initialized.
        init_info: What changed them, for people.
    """
    infos: dict[nn.Parameter, dict[str, Any]] = getattr(module, "_params_init_info", {})
    for name, parameter in module.named_parameters() if hasattr(module, "_params_init_info") else ():
        if parameter not in infos:
            raise BuildError(
                f"the init_weights() of {type(module).__name__} added or replaced the parameter '{name}'; create "
                "parameters in the constructor, and fill them in init_weights()"
            )
        mean = parameter.data.mean().cpu()
        if infos[parameter]["tmp_mean_value"] != mean:
            infos[parameter].update(init_info=init_info, tmp_mean_value=mean)


class BaseInit:
    """Fills the weights of the modules whose class, or whose class's direct base, is named in `layer`.

    A subclass fills one module in `fill`.

    Args:
        bias: What biases are filled with.
        bias_prob: Fill biases so that a sigmoid of them gives this probability; takes the place of `bias`.
        layer: Class names: `Conv2d`, or `[Conv2d, Linear]`. Without them, only what `override` names is filled.
    """

    wholemodule = False
    """Whether every module is filled, whatever its class: so it is for what `override` names."""

    def __init__(
        self,
        *,
        bias: float = 0,
        bias_prob: Annotated[float, Interval(gt=0, lt=1)] | None = None,
        layer: str | list[str] | None = None,
    ) -> None:
        if not isinstance(bias, int | float):
            raise TypeError(f"bias must be a number, got {type(bias).__name__}")
        if bias_prob is not None and not isinstance(bias_prob, float):
            raise TypeError(f"bias_prob must be a float between 0 and 1, got {bias_prob!r}")
        if not isinstance(layer, str | Sequence | None):
            raise TypeError(f"layer must be a class name or a list of class names, got {layer!r}")
        self.bias = bias if bias_prob is None else bias_init_with_prob(bias_prob)
        self.layer = [layer] if isinstance(layer, str) else list(layer or ())

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a module is filled")

    def __call__(self, module: nn.Module) -> None:
        """Fill the modules below one that are meant, that one included."""

        def init(each: nn.Module) -> None:
            names = {type(each).__name__, *(base.__name__ for base in type(each).__bases__)}
            if self.wholemodule or not names.isdisjoint(self.layer):
                self.fill(each)

        module.apply(init)
        update_init_info(module, self._get_init_info())

    def _get_init_info(self) -> str:
        options = {key: value for key, value in vars(self).items() if key not in {"layer", "wholemodule"}}
        return f"{type(self).__name__}: {', '.join(f'{key}={value}' for key, value in options.items())}"


class ConstantInit(BaseInit):
    """Fills weights with one value.

    Args:
        val: The value.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(self, val: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.val = val

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        constant_init(module, self.val, self.bias)


class XavierInit(BaseInit):
    """Fills weights by Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        gain: Multiplies the standard deviation.
        distribution: What values are drawn from.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(self, gain: float = 1, distribution: Literal["normal", "uniform"] = "normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain
        self.distribution = distribution

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        xavier_init(module, self.gain, self.bias, self.distribution)


class NormalInit(BaseInit):
    """Fills weights from a normal distribution.

    Args:
        mean: Its mean.
        std: Its standard deviation.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(self, mean: float = 0, std: Annotated[float, Interval(ge=0)] = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = mean
        self.std = std

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        normal_init(module, self.mean, self.std, self.bias)


class TruncNormalInit(BaseInit):
    """Fills weights from a normal distribution that is cut off at `a` and `b`.

    Args:
        mean: Its mean.
        std: Its standard deviation.
        a: The smallest value.
        b: The largest value.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(
        self,
        mean: float = 0,
        std: Annotated[float, Interval(gt=0)] = 1,
        a: float = -2,
        b: float = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean = mean
        self.std = std
        self.a = a
        self.b = b

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        trunc_normal_init(module, self.mean, self.std, self.a, self.b, self.bias)


class UniformInit(BaseInit):
    """Fills weights from a uniform distribution.

    Args:
        a: The smallest value.
        b: The largest value.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(self, a: float = 0, b: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a = a
        self.b = b

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        uniform_init(module, self.a, self.b, self.bias)


Nonlinearity: TypeAlias = Literal[
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
]
"""The functions whose gain torch knows."""


class KaimingInit(BaseInit):
    """Fills weights by He and others, "Delving deep into rectifiers".

    Args:
        a: The slope of the leaky ReLU that follows for negative numbers; read where `nonlinearity` is `leaky_relu`.
        mode: `fan_in` keeps the magnitude of activations, `fan_out` that of gradients.
        nonlinearity: The function that follows, by its name in `torch.nn.functional`.
        distribution: What values are drawn from.
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(
        self,
        a: float = 0,
        mode: Literal["fan_in", "fan_out"] = "fan_out",
        nonlinearity: Nonlinearity = "relu",
        distribution: Literal["normal", "uniform"] = "normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.a = a
        self.mode = mode
        self.nonlinearity = nonlinearity
        self.distribution = distribution

    def fill(self, module: nn.Module) -> None:
        """Fill one module's weights."""
        kaiming_init(module, self.a, self.mode, self.nonlinearity, self.bias, self.distribution)


class Caffe2XavierInit(KaimingInit):
    """Fills weights as Caffe2's XavierFill: He's uniform distribution with `a=1`, `fan_in` and `leaky_relu`.

    Args:
        **kwargs: `bias`, `bias_prob`, `layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(a=1, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform", **kwargs)


class PretrainedInit:
    """Loads weights from a checkpoint, after all other initializers of its module and of those within.

    Args:
        checkpoint: A checkpoint of ours, of MMEngine or MMCV, or a bare `state_dict`.
        prefix: Where the module's weights lie in the checkpoint: `backbone` takes those under `backbone.`.
        map_location: The device that tensors are read to.
    """

    wholemodule = False

    def __init__(self, checkpoint: str, prefix: str | None = None, map_location: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        """Load a module's weights; what does not fit is said.

        Raises:
            CheckpointError: The file is no checkpoint, nothing lies under `prefix`, or nothing fits.
        """
        logger = MMLogger.get_current_instance()
        logger.info(f"{type(module).__name__}: {self.prefix or 'all'} weights of {self.checkpoint}")
        content = load(self.checkpoint, map_location=self.map_location)
        report = load_state_dict(module, self._below_prefix(content.get("state_dict", content)))
        if report:
            logger.warning(str(report))
        update_init_info(module, f"{type(self).__name__}: load from {self.checkpoint}")

    def _below_prefix(self, weights: dict[str, Any]) -> dict[str, Any]:
        if self.prefix is None:
            return weights
        prefix = self.prefix if self.prefix.endswith(".") else f"{self.prefix}."
        found = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        if not found:
            there = sorted({key.partition(".")[0] for key in weights})
            raise CheckpointError(f"{self.checkpoint} has no weight under '{prefix}'; there are {', '.join(there)}")
        return found


def initialize(module: nn.Module, init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Fill a module's weights as a config says.

    Args:
        module: The module.
        init_cfg: An initializer's `type` and arguments, or a list of such mappings, which are applied in order.
            `override` names submodules that are filled in another way: `{name: reg, type: Normal, std: 0.01}`, or
            `{name: reg}` for the same initializer on the whole of that submodule.

    Raises:
        TypeError: It is neither a mapping nor a list of mappings.
        BuildError: `override` names no submodule, or gives arguments without `type`.
    """
    many = [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg
    if not isinstance(many, list | tuple) or not all(isinstance(each, Mapping) for each in many):
        raise TypeError(f"init_cfg must be a mapping with 'type' or a list of such mappings, got {init_cfg!r}")
    for each in many:
        cfg = {key: value for key, value in each.items() if key != "override"}
        override = each.get("override")
        initializer = WEIGHT_INITIALIZERS.build(cfg)
        if isinstance(initializer, BaseInit) and not initializer.layer and override is None:
            MMLogger.get_current_instance().warning(
                f"{type(module).__name__}: init_cfg {cfg} fills nothing; give 'layer' the names of classes, such as Conv2d"
            )
        initializer(module)
        if override is not None:
            _initialize_override(module, override, {key: value for key, value in cfg.items() if key != "layer"})


def _initialize_override(module: nn.Module, override: Any, cfg: Mapping[str, Any]) -> None:
    """Fill the submodules that `override` names."""
    if not isinstance(override, Mapping | list | tuple):
        raise TypeError(
            f"init_cfg's override must be a mapping with 'name' or a list of such mappings, got {override!r}"
        )
    children = dict(module.named_children())
    for each in [override] if isinstance(override, Mapping) else override:
        own = {key: value for key, value in each.items() if key != "name"}
        name = each.get("name")
        if name is None:
            raise BuildError(f"an override in init_cfg needs 'name', the submodule that it is for; got {dict(each)}")
        if own and "type" not in own:
            raise BuildError(f"the override of '{name}' in init_cfg has arguments and no 'type'; add the initializer's")
        if name not in children:
            raise BuildError(
                f"{type(module).__name__} has no submodule '{name}', which init_cfg overrides; there are "
                f"{', '.join(children) or 'none'}"
            )
        initializer = WEIGHT_INITIALIZERS.build(own or cfg)
        initializer.wholemodule = True
        initializer(children[name])
