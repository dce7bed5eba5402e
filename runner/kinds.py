"""The table of kinds: which roles a component can play, and what the engine does for each.

A kind is a role, a registry the drawer it lies in. Base classes are named as text, so that this page imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["KINDS", "Interval", "Kind", "Slot", "TypeName", "kinds_of", "registries"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Marks a parameter that takes components: `Annotated[list[Any], Slot("transform")]`.

    Attributes:
        kind: Their kind.
        default_type: What a mapping without `type` means there, where that is not the same for the whole kind.
    """

    kind: str
    default_type: str | None = None


@dataclass(frozen=True, slots=True)
class TypeName:
    """Marks a parameter that names a component: `Annotated[str, TypeName("averaged_model")]`.

    The constructor's `**kwargs` are the arguments of the component that is named, and are checked as such.
    """

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Bounds of a number: `Annotated[float, Interval(ge=0, lt=1)]`.

    The fields are JSON Schema's `minimum`, `exclusiveMinimum`, `maximum`, `exclusiveMaximum` under annotated-types' names.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One role.

    Attributes:
        name: Its name in `runner components`, in `x-slot` and as the catalog's method.
        registry: The registry that users know it by; kinds that share one share a namespace.
        base: `module:Class` that its classes derive from; None where any callable will do.
        doc: What a component of this kind is, in a sentence.
        aliases: Other `module:Class` names that mean the same base in an annotation.
        injected: Arguments that the engine passes, which a config may not set.
        set_later: Those of them that a component in a slot gets from what it is part of, once that is built: where a
            constructor insists on one, it is None until then.
        engine_keys: Keys that the engine reads beside the constructor's, each with its JSON Schema.
        default_type: What a mapping without `type` is built as.
        by_name: Whether a config may give one by its bare name, without a mapping around it.
        deferred: Whether a slot is handed the mapping as it stands, for the class that takes it to build when it needs it.
    """

    name: str
    registry: str
    base: str | None
    doc: str
    aliases: tuple[str, ...] = ()
    injected: tuple[str, ...] = ()
    set_later: tuple[str, ...] = ()
    engine_keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_type: str | None = None
    by_name: bool = False
    deferred: bool = False

    @property
    def is_torchs(self) -> bool:
        """Whether its base class is torch's own, so that a class that knows nothing of this package can be of the kind."""
        return self.base is not None and self.base.startswith("torch.")

    @property
    def one(self) -> str:
        """The name with its article, for sentences."""
        return f"an {self.name}" if self.name[0] in "aeio" else f"a {self.name}"


_PRIORITY: dict[str, Any] = {
    "description": "When the hook is called among the others: a level's name or a number, lower runs first.",
    "anyOf": [
        {
            "enum": [
                "HIGHEST",
                "VERY_HIGH",
                "HIGH",
                "ABOVE_NORMAL",
                "NORMAL",
                "BELOW_NORMAL",
                "LOW",
                "VERY_LOW",
                "LOWEST",
            ]
        },
        {"type": "integer", "minimum": 0, "maximum": 100},
    ],
}

_CONVERT: dict[str, Any] = {
    "description": "Read `begin`, `end` and the like in epochs, and step the scheduler after each iteration.",
    "type": "boolean",
    "default": False,
}

_CONSTRUCTOR: dict[str, Any] = {
    "description": "Who sorts the parameters into groups and builds the optimizer.",
    "x-slot": "optim_wrapper_constructor",
    "default": "DefaultOptimWrapperConstructor",
}

_OVERRIDE: dict[str, Any] = {
    "description": "A submodule's initializer, with its arguments; those beside `override` where it gives a name alone.",
    "anyOf": [
        {
            "type": "object",
            "title": "override",
            "properties": {"name": {"description": "The submodule's name.", "type": "string", "minLength": 1}},
            "required": ["name"],
            "additionalProperties": False,
        },
        {
            "x-slot": "weight_init",
            "properties": {"name": {"description": "The submodule's name.", "type": "string", "minLength": 1}},
            "x-required": ["name"],
        },
    ],
}

_OVERRIDES: dict[str, Any] = {
    "description": "Submodules that are initialized in another way: one, or a list.",
    "anyOf": [*_OVERRIDE["anyOf"], {"type": "array", "items": _OVERRIDE}],
}

_TABLE = (
    Kind(
        name="runner",
        registry="RUNNERS",
        base="runner.runner:Runner",
        doc="The object that holds all parts of a run.",
        by_name=True,
    ),
    Kind(
        name="strategy",
        registry="STRATEGIES",
        base="runner.strategy.base:BaseStrategy",
        doc="How a model is spread over devices.",
    ),
    Kind(
        name="loop",
        registry="LOOPS",
        base="runner.loops.base:BaseLoop",
        doc="What is done with each batch, and when to stop.",
        injected=("runner", "dataloader", "evaluator"),
    ),
    Kind(
        name="hook",
        registry="HOOKS",
        base="runner.hooks.hook:Hook",
        doc="Code that runs at fixed points of a run.",
        engine_keys={"priority": _PRIORITY},
    ),
    Kind(name="model", registry="MODELS", base="torch.nn.modules.module:Module", doc="What is trained."),
    Kind(
        name="data_preprocessor",
        registry="MODELS",
        base="runner.model.data_preprocessor:BaseDataPreprocessor",
        doc="Moves a batch to the device and normalizes it.",
        default_type="BaseDataPreprocessor",
    ),
    Kind(
        name="averaged_model",
        registry="MODELS",
        base="runner.model.averaged_model:BaseAveragedModel",
        doc="An average of a model's weights over time.",
        injected=("model",),
    ),
    Kind(
        name="tta_model",
        registry="MODELS",
        base="runner.model.tta:BaseTTAModel",
        doc="Merges a model's predictions for several views of a sample.",
        injected=("module",),
        deferred=True,  # it is put around the built model when a test begins
    ),
    Kind(
        name="model_wrapper",
        registry="MODEL_WRAPPERS",
        base=None,
        doc="Wraps the model for distributed training.",
        injected=("module",),
        deferred=True,  # a strategy puts it around the model that is built
    ),
    Kind(
        name="weight_init",
        registry="WEIGHT_INITIALIZERS",
        base=None,
        doc="Fills a module's weights.",
        engine_keys={"override": _OVERRIDES},
        deferred=True,  # ported backbones read `init_cfg["checkpoint"]`, and weights are filled after all is built
    ),
    Kind(
        name="optimizer",
        registry="OPTIMIZERS",
        base="torch.optim.optimizer:Optimizer",
        doc="Updates parameters from their gradients.",
        injected=("params",),
    ),
    Kind(
        name="optim_wrapper",
        registry="OPTIM_WRAPPERS",
        base="runner.optim.optim_wrapper:OptimWrapper",
        doc="An optimizer with accumulation, clipping and mixed precision.",
        engine_keys={"constructor": _CONSTRUCTOR},
        default_type="OptimWrapper",
    ),
    Kind(
        name="optim_wrapper_constructor",
        registry="OPTIM_WRAPPER_CONSTRUCTORS",
        base="runner.optim.constructor:DefaultOptimWrapperConstructor",
        doc="Sorts parameters into groups and builds the optimizer wrapper.",
        injected=("optim_wrapper_cfg", "paramwise_cfg"),
        by_name=True,
    ),
    Kind(
        name="param_scheduler",
        registry="PARAM_SCHEDULERS",
        base="runner.optim.scheduler.param_scheduler:_ParamScheduler",
        doc="Changes a hyper-parameter of the optimizer over time.",
        injected=("optimizer",),
        engine_keys={"convert_to_iter_based": _CONVERT},
    ),
    Kind(
        name="dataset",
        registry="DATASETS",
        base="torch.utils.data.dataset:Dataset",
        doc="Samples by index, or one after the other.",
    ),
    Kind(
        name="sampler",
        registry="DATA_SAMPLERS",
        base="torch.utils.data.sampler:Sampler",
        doc="The order in which samples are drawn.",
        injected=("dataset", "data_source"),
    ),
    Kind(
        name="batch_sampler",
        registry="DATA_SAMPLERS",
        base="torch.utils.data.sampler:BatchSampler",
        doc="Groups a sampler's indices into batches.",
        injected=("sampler", "batch_size"),
    ),
    Kind(name="transform", registry="TRANSFORMS", base=None, doc="A callable from sample to sample.", by_name=True),
    Kind(
        name="function",
        registry="FUNCTIONS",
        base=None,
        doc="A callable given by name, with its bound arguments.",
        by_name=True,
    ),
    Kind(
        name="evaluator",
        registry="EVALUATOR",
        base="runner.evaluator.evaluator:Evaluator",
        doc="Runs several metrics over the same outputs.",
        default_type="Evaluator",
    ),
    Kind(
        name="metric", registry="METRICS", base="runner.evaluator.metric:BaseMetric", doc="A number that says how good."
    ),
    Kind(
        name="visualizer",
        registry="VISUALIZERS",
        base="runner.visualization.visualizer:Visualizer",
        doc="Sends scalars and images to its backends.",
        injected=("save_dir",),
        default_type="Visualizer",
    ),
    Kind(
        name="vis_backend",
        registry="VISBACKENDS",
        base="runner.visualization.vis_backend:BaseVisBackend",
        doc="Where scalars and images are kept.",
        injected=("save_dir",),
        set_later=("save_dir",),
    ),
    Kind(
        name="log_processor",
        registry="LOG_PROCESSORS",
        base="runner.logging.log_processor:LogProcessor",
        doc="Turns recorded values into a line of the log.",
        default_type="LogProcessor",
    ),
    Kind(
        name="launcher",
        registry="LAUNCHERS",
        base="runner.dist.launcher:Launcher",
        doc="Joins or starts the processes of a distributed run.",
        by_name=True,
    ),
    Kind(
        name="storage",
        registry="STORAGES",
        base="runner.fileio.backend:BaseStorageBackend",
        doc="Where files are read and written.",
    ),
    Kind(
        name="inferencer",
        registry="INFERENCERS",
        base="runner.infer.inferencer:BaseInferencer",
        doc="A trained model made easy to call.",
        injected=("model", "weights", "device", "scope", "show_progress"),
        default_type="DefaultInferencer",
    ),
    Kind(name="task_util", registry="TASK_UTILS", base=None, doc="Anything else that a task needs by name."),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _TABLE})
"""Every kind by its name."""


def kinds_of(registry: str) -> tuple[Kind, ...]:
    """The kinds that share a registry, the one that a class without a telling base belongs to first."""
    return tuple(kind for kind in _TABLE if kind.registry == registry)


def registries() -> tuple[str, ...]:
    """The registries' names, in the table's order."""
    return tuple(dict.fromkeys(kind.registry for kind in _TABLE))
