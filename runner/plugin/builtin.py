"""Our own components, offered through our own entry point: the same door as everyone's.

Nobody imports this module; the entry point `runner` of the distribution `yaml-runner` names it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from runner.plugin.catalog import Registration
from runner.plugin.hookspecs import hookimpl
from runner.plugin.models import installed as installed_models
from runner.plugin.optimizers import installed
from runner.plugin.torch_nn import MODULES, SCHEMAS

_TABLE: dict[str, dict[str, str]] = {
    "runner": {"FlexibleRunner": "runner.flexible:FlexibleRunner", "Runner": "runner.runner:Runner"},
    "strategy": {
        "DDPStrategy": "runner.strategy.ddp:DDPStrategy",
        "FSDPStrategy": "runner.strategy.fsdp:FSDPStrategy",
        "SingleDeviceStrategy": "runner.strategy.single:SingleDeviceStrategy",
        "TensorParallelStrategy": "runner.strategy.tensor_parallel:TensorParallelStrategy",
    },
    "loop": {
        "EpochBasedTrainLoop": "runner.loops.train:EpochBasedTrainLoop",
        "IterBasedTrainLoop": "runner.loops.train:IterBasedTrainLoop",
        "ValLoop": "runner.loops.evaluation:ValLoop",
        "TestLoop": "runner.loops.evaluation:TestLoop",
    },
    "hook": {
        "CheckpointHook": "runner.hooks.checkpoint:CheckpointHook",
        "DeviceStatsHook": "runner.hooks.device_stats:DeviceStatsHook",
        "DistSamplerSeedHook": "runner.hooks.sampler_seed:DistSamplerSeedHook",
        "EMAHook": "runner.hooks.ema:EMAHook",
        "EarlyStoppingHook": "runner.hooks.early_stopping:EarlyStoppingHook",
        "EmptyCacheHook": "runner.hooks.empty_cache:EmptyCacheHook",
        "ExceptionCheckpointHook": "runner.hooks.exception_checkpoint:ExceptionCheckpointHook",
        "FreezeHook": "runner.hooks.freeze:FreezeHook",
        "GradientAccumulationScheduler": "runner.hooks.accumulation:GradientAccumulationScheduler",
        "IterTimerHook": "runner.hooks.iter_timer:IterTimerHook",
        "LoggerHook": "runner.hooks.logger:LoggerHook",
        "LossSpikeHook": "runner.hooks.loss_spike:LossSpikeHook",
        "MemorySnapshotHook": "runner.hooks.memory_snapshot:MemorySnapshotHook",
        "NaNGuardHook": "runner.hooks.nan_guard:NaNGuardHook",
        "NaiveVisualizationHook": "runner.hooks.naive_visualization:NaiveVisualizationHook",
        "ParamSchedulerHook": "runner.hooks.param_scheduler:ParamSchedulerHook",
        "PreciseBNHook": "runner.hooks.precise_bn:PreciseBNHook",
        "PredictionWriterHook": "runner.hooks.prediction_writer:PredictionWriterHook",
        "PrepareTTAHook": "runner.hooks.prepare_tta:PrepareTTAHook",
        "ProfilerHook": "runner.hooks.profiler:ProfilerHook",
        "RuntimeInfoHook": "runner.hooks.runtime_info:RuntimeInfoHook",
        "SWAHook": "runner.hooks.swa:SWAHook",
        "SwitchPipelineHook": "runner.hooks.switch_pipeline:SwitchPipelineHook",
        "SyncBuffersHook": "runner.hooks.sync_buffers:SyncBuffersHook",
        "ThroughputHook": "runner.hooks.throughput:ThroughputHook",
        "VisualizationHook": "runner.hooks.visualization:VisualizationHook",
    },
    "averaged_model": {
        "ExponentialMovingAverage": "runner.model.averaged_model:ExponentialMovingAverage",
        "MomentumAnnealingEMA": "runner.model.averaged_model:MomentumAnnealingEMA",
        "StochasticWeightAverage": "runner.model.averaged_model:StochasticWeightAverage",
    },
    "model": {
        "LossTerm": "runner.model.module_adapter:LossTerm",
        "ModuleAdapter": "runner.model.module_adapter:ModuleAdapter",
    },
    "data_preprocessor": {
        "BaseDataPreprocessor": "runner.model.data_preprocessor:BaseDataPreprocessor",
        "ImgDataPreprocessor": "runner.model.data_preprocessor:ImgDataPreprocessor",
    },
    "weight_init": {
        "Caffe2Xavier": "runner.model.weight_init:Caffe2XavierInit",
        "Constant": "runner.model.weight_init:ConstantInit",
        "Kaiming": "runner.model.weight_init:KaimingInit",
        "Normal": "runner.model.weight_init:NormalInit",
        "Pretrained": "runner.model.weight_init:PretrainedInit",
        "TruncNormal": "runner.model.weight_init:TruncNormalInit",
        "Uniform": "runner.model.weight_init:UniformInit",
        "Xavier": "runner.model.weight_init:XavierInit",
    },
    "tta_model": {"BaseTTAModel": "runner.model.tta:BaseTTAModel"},
    "model_wrapper": {
        "DistributedDataParallel": "runner.dist.ddp:MMDistributedDataParallel",
        "MMDistributedDataParallel": "runner.dist.ddp:MMDistributedDataParallel",
        "MMFullyShardedDataParallel": "runner.dist.fully_sharded:MMFullyShardedDataParallel",
        "MMSeparateDistributedDataParallel": "runner.dist.separate:MMSeparateDistributedDataParallel",
    },
    "optim_wrapper": {
        "AmpOptimWrapper": "runner.optim.amp:AmpOptimWrapper",
        "OptimWrapper": "runner.optim.optim_wrapper:OptimWrapper",
    },
    "optimizer": {"ZeroRedundancyOptimizer": "runner.optim.zero:ZeroRedundancyOptimizer"},
    "optim_wrapper_constructor": {
        "DefaultOptimWrapperConstructor": "runner.optim.constructor:DefaultOptimWrapperConstructor",
        "LayerDecayOptimizerConstructor": "runner.optim.layer_decay:LayerDecayOptimizerConstructor",
        "LearningRateDecayOptimWrapperConstructor": (
            "runner.optim.layer_decay:LearningRateDecayOptimWrapperConstructor"
        ),
        # MMDetection's and MMSegmentation's newer name for the same.
        "LearningRateDecayOptimizerConstructor": "runner.optim.layer_decay:LayerDecayOptimizerConstructor",
    },
    "dataset": {
        "ChainDataset": "torch.utils.data:ChainDataset",
        "ClassBalancedDataset": "runner.dataset.dataset_wrapper:ClassBalancedDataset",
        "ConcatDataset": "runner.dataset.dataset_wrapper:ConcatDataset",
        "RepeatDataset": "runner.dataset.dataset_wrapper:RepeatDataset",
        "Subset": "torch.utils.data:Subset",
    },
    "sampler": {
        "DefaultSampler": "runner.dataset.sampler:DefaultSampler",
        "InfiniteSampler": "runner.dataset.sampler:InfiniteSampler",
    },
    "batch_sampler": {
        "BatchSampler": "torch.utils.data:BatchSampler",
        "GroupedBatchSampler": "runner.dataset.grouping:GroupedBatchSampler",
    },
    "function": {
        "default_collate": "runner.dataset.collate:default_collate",
        "log_trace": "runner.hooks.traces:LogTrace",
        "pseudo_collate": "runner.dataset.collate:pseudo_collate",
        "size_based_auto_wrap_policy": "runner.dist.fully_sharded:size_based_auto_wrap_policy",
        "tb_trace": "runner.hooks.traces:TbTrace",
        "worker_init_fn": "runner.dataset.worker:worker_init_fn",
    },
    "launcher": {
        "infer": "runner.dist.launchers:InferLauncher",
        "mpi": "runner.dist.launchers:MPILauncher",
        "none": "runner.dist.launchers:NoLauncher",
        "pytorch": "runner.dist.launchers:PyTorchLauncher",
        "slurm": "runner.dist.launchers:SlurmLauncher",
    },
    "storage": {
        "http": "runner.fileio.http:HTTPBackend",
        "lmdb": "runner.fileio.lmdb:LmdbBackend",
        "local": "runner.fileio.local:LocalBackend",
    },
    "evaluator": {"Evaluator": "runner.evaluator.evaluator:Evaluator"},
    "metric": {
        "DumpResults": "runner.evaluator.dump:DumpResults",
        "TorchMetric": "runner.evaluator.torch_metric:TorchMetric",
    },
    "inferencer": {"DefaultInferencer": "runner.infer.default:DefaultInferencer"},
    "visualizer": {"Visualizer": "runner.visualization.visualizer:Visualizer"},
    "vis_backend": {
        "LocalVisBackend": "runner.visualization.vis_backend:LocalVisBackend",
        "MLflowVisBackend": "runner.visualization.mlflow_backend:MLflowVisBackend",
        "TensorboardVisBackend": "runner.visualization.tensorboard:TensorboardVisBackend",
        "WandbVisBackend": "runner.visualization.weights_and_biases:WandbVisBackend",
    },
    "log_processor": {"LogProcessor": "runner.logging.log_processor:LogProcessor"},
}

_SEVERAL_OPTIMIZERS: dict[str, Any] = {
    "additionalProperties": {
        "description": "An optimizer by its name, which is that of the submodule that it trains.",
        "type": "object",
        "x-slot": "optim_wrapper",
        "properties": {
            "modules": {
                "description": "The submodules that it trains, where they are others than the one of its name.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            },
        },
    },
}
"""What `OptimWrapperDict` holds beside its type."""

_NOT_NEGATIVE: dict[str, Any] = {"minimum": 0}
_POSITIVE = {"exclusiveMinimum": 0}
_BETAS: dict[str, Any] = {"items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}}
_DECAYED: dict[str, dict[str, Any]] = {"lr": _NOT_NEGATIVE, "weight_decay": _NOT_NEGATIVE}
_ADAM = {**_DECAYED, "betas": _BETAS, "eps": _NOT_NEGATIVE}

_OPTIMIZERS: dict[str, dict[str, dict[str, Any]]] = {
    "ASGD": _DECAYED,
    "Adadelta": {**_DECAYED, "rho": {"minimum": 0, "maximum": 1}, "eps": _NOT_NEGATIVE},
    "Adafactor": {**_DECAYED, "beta2_decay": {"maximum": 0}, "d": {"minimum": 1}},
    "Adagrad": {
        **_DECAYED,
        "eps": _NOT_NEGATIVE,
        "initial_accumulator_value": _NOT_NEGATIVE,
        "lr_decay": _NOT_NEGATIVE,
    },
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Adamax": _ADAM,
    "LBFGS": {"lr": _NOT_NEGATIVE, "line_search_fn": {"enum": ["strong_wolfe", None]}},
    "NAdam": {**_ADAM, "momentum_decay": _NOT_NEGATIVE},
    "RAdam": _ADAM,
    "RMSprop": {**_DECAYED, "alpha": _NOT_NEGATIVE, "eps": _NOT_NEGATIVE, "momentum": _NOT_NEGATIVE},
    "Rprop": {
        "lr": _NOT_NEGATIVE,
        "etas": {
            "prefixItems": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {"type": "number", "exclusiveMinimum": 1},
            ]
        },
    },
    "SGD": {**_DECAYED, "momentum": _NOT_NEGATIVE},
    "SparseAdam": {"lr": _POSITIVE, "betas": _BETAS, "eps": _POSITIVE},
}
"""torch's optimizers, and what their constructors refuse although the annotations allow it."""

_MUON: dict[str, dict[str, Any]] = {
    **_DECAYED,
    "adjust_lr_fn": {"enum": ["original", "match_rms_adamw", None]},
    "momentum": _NOT_NEGATIVE,
}

_FILES: dict[str, dict[str, Any]] = {
    "DumpResults": {"properties": {"out_file_path": {"pattern": r"\.(pkl|pickle|pt|json|npz)$"}}},
    "LocalVisBackend": {
        "properties": {
            "config_save_file": {"pattern": r"\.ya?ml$"},
            "scalar_save_file": {"pattern": r"\.json$"},
        }
    },
}
"""Files whose names say how they are written, so that their constructors refuse other endings."""

_FILTER = "BaseDataset takes every sample: derive a class whose filter_data() chooses, and name that one"

_SCHEDULERS = {
    "Constant": "constant",
    "CosineAnnealing": "cosine",
    "CosineRestart": "cosine_restart",
    "Cyclic": "cyclic",
    "Exponential": "exponential",
    "Inverse": "inverse",
    "InverseSqrt": "inverse_sqrt",
    "Linear": "linear",
    "MultiStep": "multistep",
    "OneCycle": "one_cycle",
    "Poly": "poly",
    "ReduceOnPlateau": "plateau",
    "Step": "step",
    "WarmupStableDecay": "warmup_stable_decay",
}


@hookimpl
def runner_register(catalog: Registration) -> None:
    """Offer the built-in components and torch's optimizers."""
    for kind, rows in _TABLE.items():
        for name, target in rows.items():
            catalog.add(kind, name, target, schema=_FILES.get(name))
    catalog.dataset(
        "BaseDataset",
        "runner.dataset.base_dataset:BaseDataset",
        # Here the argument would be taken and do nothing.
        schema={"properties": {"filter_cfg": {"type": "null", "x-remedy": _FILTER}}},
    )
    for name, bounds in _OPTIMIZERS.items():
        # MMEngine's name for torch's: `Adafactor` alone is that of transformers.
        theirs = "TorchAdafactor" if name == "Adafactor" else name
        catalog.optimizer(theirs, f"torch.optim:{name}", schema={"properties": bounds})
    if tuple(map(int, version("torch").split(".")[:2])) >= (2, 9):
        catalog.optimizer("Muon", "torch.optim:Muon", schema={"properties": _MUON})
    for name, target in installed():
        catalog.optimizer(name, target)
    catalog.optim_wrapper(
        "OptimWrapperDict", "runner.optim.optim_wrapper_dict:OptimWrapperDict", schema=_SEVERAL_OPTIMIZERS
    )
    for name, target in MODULES.items():
        catalog.model(name, target, schema=SCHEMAS.get(name))
    for name, target in installed_models():
        catalog.model(name, target)
    for family, module in _SCHEDULERS.items():
        # One cycle is for learning rates alone.
        for target in ("LR", "ParamScheduler") if family == "OneCycle" else ("LR", "Momentum", "ParamScheduler"):
            catalog.param_scheduler(f"{family}{target}", f"runner.optim.scheduler.{module}:{family}{target}")
