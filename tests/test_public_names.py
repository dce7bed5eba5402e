"""The public names are a promise: what is added here stays, and what goes needs a line in the changelog."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest
import torch
from torch import nn

import runner
from runner import Config, Hook, MessageHub, Runner
from runner.model import BaseModel

NAMES = {
    "runner": """
        BaseLoop BuildError CheckpointError CheckpointStore Config ConfigDict ConfigError DATASETS DATA_SAMPLERS
        DamagedCheckpoint DictAction EVALUATOR EpochBasedTrainLoop FUNCTIONS FlexibleRunner HOOKS HistoryBuffer Hook
        INFERENCERS Interval IterBasedTrainLoop LAUNCHERS LOG_PROCESSORS LOOPS LaunchError Location LogProcessor
        LossSpikeError METRICS MMLogger MODELS MODEL_WRAPPERS MessageHub NonFiniteError OPTIMIZERS OPTIM_WRAPPERS
        OPTIM_WRAPPER_CONSTRUCTORS PARAM_SCHEDULERS PluginError Priority Problem RUNNERS Registry RegistryError
        Runner RunnerError STORAGES STRATEGIES SaveError SignatureError Slot StorageError TASK_UTILS TRANSFORMS TestLoop
        TypeName VISBACKENDS VISUALIZERS ValLoop WEIGHT_INITIALIZERS WorkDirInUse collect_env find_latest_checkpoint
        get_priority hookimpl load_checkpoint load_state_dict print_log read_scalars set_random_seed
    """,
    "runner.checkpoint": """
        CheckpointStore Inert WeightReport find_latest_checkpoint load load_checkpoint load_state_dict
        to_plain
    """,
    "runner.config": """
        Composition Config ConfigDict DictAction compose
    """,
    "runner.dataset": """
        BaseDataset ClassBalancedDataset Compose ConcatDataset DataLoader DefaultSampler
        GroupedBatchSampler Head InfiniteSampler LoaderState Position Reader RepeatDataset Streams WorkersState build_dataloader
        default_collate force_full_init key key_generators pseudo_collate rebuild set_random_seed
        worker_init_fn
    """,
    "runner.device": """
        get_device get_max_cuda_memory get_max_musa_memory is_cuda_available is_dipu_available
        is_mlu_available is_mps_available is_musa_available is_npu_available is_npu_support_full_precision
        resolve_device
    """,
    "runner.dist": """
        Group Job Launcher all_gather all_gather_object all_reduce all_reduce_dict all_reduce_params barrier broadcast
        broadcast_object_list cast_data_device collect_results collect_results_cpu collect_results_gpu
        destroy gather gather_object get_backend get_comm_device get_data_device get_data_info get_data_rank
        get_data_world_size get_default_group get_dist_info get_local_group get_local_rank get_local_size get_rank
        get_tensor_parallel_size get_world_size infer_launcher init_dist init_local_group is_distributed
        is_main_process joins_group master_only set_tensor_parallel_size sync_random_seed
    """,
    "runner.errors": """
        BuildError CheckpointError ConfigError DamagedCheckpoint GoBack LaunchError Location LossSpikeError NonFiniteError Path PluginError Problem
        RegistryError RunnerError SaveError SignatureError Stopped StorageError WorkDirInUse dotted
    """,
    "runner.evaluator": """
        BaseMetric DumpResults Evaluator TorchMetric get_metric_value
    """,
    "runner.export": """
        Exported Program export_model read_safetensors trace write_safetensors
    """,
    "runner.fileio": """
        BackendArgs BaseFileHandler BaseStorageBackend FsspecBackend HTTPBackend JsonHandler LmdbBackend
        LocalBackend PickleHandler YamlHandler copy_if_symlink_fails copyfile copyfile_from_local
        copyfile_to_local copytree copytree_from_local copytree_to_local dict_from_file dump exists
        generate_presigned_url get get_file_backend get_local_path get_text isdir isfile join_path
        list_dir_or_file list_from_file load load_plain_pickle put put_text register_backend
        register_handler remove rmtree
    """,
    "runner.hooks": """
        CheckpointHook DeviceStatsHook DistSamplerSeedHook EMAHook EarlyStoppingHook EmptyCacheHook
        ExceptionCheckpointHook FreezeHook GradientAccumulationScheduler Hook HookList IterTimerHook LoggerHook
        LossSpikeHook MemorySnapshotHook NaNGuardHook NaiveVisualizationHook ParamSchedulerHook PreciseBNHook
        PredictionWriterHook PrepareTTAHook Priority ProfilerHook RuntimeInfoHook SWAHook SwitchPipelineHook
        SyncBuffersHook ThroughputHook VisualizationHook build_runner_with_tta get_priority
    """,
    "runner.infer": """
        BaseInferencer DefaultInferencer
    """,
    "runner.kinds": """
        Interval KINDS Kind Slot TypeName kinds_of registries
    """,
    "runner.logging": """
        Console HistoryBuffer LogProcessor MMLogger MessageHub print_log read_scalars
    """,
    "runner.loops": """
        BaseLoop EpochBasedTrainLoop EvaluationLoop IterBasedTrainLoop TestLoop TrainLoop ValLoop
    """,
    "runner.analysis": """
        ActivationAnalyzer FlopAnalyzer activation_count complexity_stats_str complexity_stats_table flop_count
        get_model_complexity_info parameter_count parameter_count_table
    """,
    "runner.hub": """
        get_config get_model
    """,
    "runner.model": """
        BaseAveragedModel BaseDataPreprocessor BaseInit BaseModel BaseModule BaseTTAModel Caffe2XavierInit
        ConstantInit ExponentialMovingAverage ImgDataPreprocessor KaimingInit LossTerm MMDistributedDataParallel
        ModuleAdapter ModuleDict ModuleList MomentumAnnealingEMA NormalInit PretrainedInit Sequential
        StochasticWeightAverage TruncNormalInit UniformInit XavierInit bias_init_with_prob caffe2_xavier_init
        constant_init convert_sync_batchnorm detect_anomalous_params initialize is_model_wrapper kaiming_init
        merge_dict normal_init revert_sync_batchnorm stack_batch trunc_normal_init turn_on_activation_checkpointing
        turn_on_efficient_conv_bn_eval uniform_init update_init_info xavier_init
    """,
    "runner.optim": """
        AmpOptimWrapper ClipGrad ConstantLR ConstantMomentum ConstantParamScheduler CosineAnnealingLR
        CosineAnnealingMomentum CosineAnnealingParamScheduler CosineRestartLR CosineRestartMomentum
        CosineRestartParamScheduler CustomKey CyclicLR CyclicMomentum CyclicParamScheduler
        DefaultOptimWrapperConstructor ExponentialLR ExponentialMomentum ExponentialParamScheduler InverseLR
        InverseMomentum InverseParamScheduler InverseSqrtLR InverseSqrtMomentum InverseSqrtParamScheduler
        LayerDecayOptimizerConstructor LearningRateDecayOptimWrapperConstructor
        LinearLR LinearMomentum LinearParamScheduler LossScale MultiStepLR MultiStepMomentum
        MultiStepParamScheduler OneCycleLR OneCycleParamScheduler OptimWrapper OptimWrapperDict ParamwiseCfg PolyLR
        PolyMomentum PolyParamScheduler ReduceOnPlateauLR ReduceOnPlateauMomentum ReduceOnPlateauParamScheduler StepLR
        StepMomentum StepParamScheduler WarmupStableDecayLR WarmupStableDecayMomentum WarmupStableDecayParamScheduler
        ZeroRedundancyOptimizer _ParamScheduler build_optim_wrapper restore_schedulers
    """,
    "runner.plugin": """
        Catalog Entry LOCAL PROCESS_ENTRIES Plugin Plugins Registration default_plugins discover hookimpl
    """,
    "runner.registry": """
        DATASETS DATA_SAMPLERS DefaultScope EVALUATOR FUNCTIONS HOOKS INFERENCERS LAUNCHERS LOG_PROCESSORS
        LOOPS METRICS MODELS MODEL_WRAPPERS OPTIMIZERS OPTIM_WRAPPERS OPTIM_WRAPPER_CONSTRUCTORS
        PARAM_SCHEDULERS RUNNERS Registry STORAGES STRATEGIES TASK_UTILS TRANSFORMS VISBACKENDS VISUALIZERS
        WEIGHT_INITIALIZERS build_from_cfg build_model_from_cfg build_runner_from_cfg
        build_scheduler_from_cfg count_registered_modules init_default_scope traverse_registry_tree
    """,
    "runner.signature": """
        LocalFile Parameter REQUIRED Signature UNKNOWN describe scan
    """,
    "runner.structures": """
        BaseDataElement InstanceData LabelData PixelData
    """,
    "runner.testing": """
        RunnerTestCase assert_allclose assert_attrs_equal assert_dict_contains_subset assert_dict_has_keys
        assert_is_norm_layer assert_keys_equal assert_params_all_zeros
    """,
    "runner.utils": """
        ManagerMeta ManagerMixin ProgressBar Timer TimerError apply_to check_time concat_list
        deprecated_api_warning deprecated_function digit_version get_git_hash get_installed_path has_method
        is_abs is_installed is_list_of is_method_overridden is_seq_of is_tuple_of mkdir_or_exist scandir
        slice_list symlink to_1tuple to_2tuple to_3tuple to_4tuple to_ntuple track_iter_progress
        track_parallel_progress track_progress track_progress_rich
    """,
    "runner.utils.dl_utils": """
        TORCH_VERSION TimeCounter collect_env has_batch_norm is_norm set_multi_processing tensor2imgs
    """,
    "runner.validation": """
        bundle check codes explain render_json render_text require_valid
    """,
    "runner.visualization": """
        BaseVisBackend LocalVisBackend MLflowVisBackend TensorboardVisBackend Visualizer WandbVisBackend
        force_init_env
    """,
}


@pytest.mark.parametrize("module", NAMES)
def test_what_a_module_offers(module):
    imported = importlib.import_module(module)
    assert sorted(imported.__all__) == NAMES[module].split()
    for name in imported.__all__:
        assert getattr(imported, name) is not None
        assert name in dir(imported)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'runner' has no attribute 'Runer'"):
        runner.Runer  # noqa: B018


def test_import_runner_imports_no_more_than_itself():
    script = "import sys; before = set(sys.modules); import runner; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new = set(done.stdout.split())
    assert "runner" in new
    assert not {name for name in new if name.startswith("runner.")}
    assert not {"torch", "numpy", "pluggy", "typer", "ruamel", "structlog"} & new


METHODS = {
    Runner: {
        "call_hook": "fn_name, **kwargs",
        "from_cfg": "cfg, *, device='auto'",
        "load_checkpoint": "filename, map_location='cpu', strict=False, revise_keys=(('^module\\\\.', ''),)",
        "register_hook": "hook, priority=None",
        "resume": "filename, resume_optimizer=True, resume_param_scheduler=True",
        "save_checkpoint": (
            "out_dir, filename, save_optimizer=True, save_param_scheduler=True, meta=None, by_epoch=True, *, options=None"
        ),
        "test": "",
        "train": "",
        "val": "",
    },
    MessageHub: {
        "get_current_instance": "",
        "get_info": "key, default=None",
        "get_scalar": "key",
        "load_state_dict": "state_dict",
        "pop_info": "key, default=None",
        "state_dict": "",
        "update_info": "key, value, resumed=True",
        "update_info_dict": "info_dict, resumed=True",
        "update_scalar": "key, value, count=1, resumed=True",
        "update_scalars": "log_dict, resumed=True",
    },
    Config: {
        "dump": "file=None",
        "fromfile": "filename, overrides=(), unset=(), find_package=None",
        "fromstring": "cfg_str, file_format='.yaml'",
        "get": "key, default=None",
        "merge_from_dict": "options, allow_list_keys=True",
        "origin": "path",
        "to_dict": "",
    },
}
"""What hooks, loops and scripts call, with MMEngine's arguments in MMEngine's order."""


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, methods in METHODS.items() for name in methods], ids=str
)
def test_what_a_method_takes(owner, name):
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(getattr(owner, name)).parameters.values()
        if parameter.name != "self"
    ]
    assert str(inspect.Signature(parameters)) == f"({METHODS[owner][name]})"


CONSTRUCTOR = """
    model work_dir train_dataloader val_dataloader test_dataloader train_cfg val_cfg test_cfg auto_scale_lr optim_wrapper
    param_scheduler val_evaluator test_evaluator default_hooks custom_hooks data_preprocessor load_from resume launcher
    env_cfg log_processor log_level visualizer default_scope randomness experiment_name cfg
"""
"""MMEngine's, in its order: scripts give some of them by position."""

ATTRIBUTES = """
    iter epoch max_iters max_epochs model optim_wrapper param_schedulers train_loop val_loop test_loop train_dataloader
    val_dataloader test_dataloader message_hub visualizer logger log_processor hooks work_dir log_dir rank world_size
    distributed device seed deterministic cfg experiment_name timestamp default_scope call_hook register_hook
    save_checkpoint load_checkpoint resume from_cfg
"""
"""What hooks and loops find on the Runner at every point of a run."""


def test_the_runners_arguments():
    parameters = inspect.signature(Runner).parameters.values()
    by_position = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert by_position == CONSTRUCTOR.split()


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, inputs, mode="tensor"):
        return {"loss": self.linear(inputs).mean()}


class Look(Hook):
    """Looks for every attribute, and notes the points where it did."""

    def __init__(self):
        self.points = []

    def look(self, runner, point):
        assert not [name for name in ATTRIBUTES.split() if not hasattr(runner, name)]
        self.points.append((point, runner.iter, runner.epoch, runner.max_iters, runner.max_epochs))

    def before_run(self, runner):
        self.look(runner, "before_run")

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.look(runner, "after_train_iter")

    def after_run(self, runner):
        self.look(runner, "after_run")


def test_the_runners_attributes_are_there_at_every_point(tmp_path):
    look = Look()
    run = Runner(
        Line(),
        str(tmp_path),
        {
            "batch_size": 2,
            "dataset": list(torch.randn(4, 2)),
            "sampler": {"type": "DefaultSampler", "shuffle": True},
            "collate_fn": "default_collate",
        },
        train_cfg={"by_epoch": True, "max_epochs": 2},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=[look],
        device="cpu",
    )
    run.train()
    run.close()
    assert look.points == [
        ("before_run", 0, 0, 4, 2),
        ("after_train_iter", 0, 0, 4, 2),
        ("after_train_iter", 1, 0, 4, 2),
        ("after_train_iter", 2, 1, 4, 2),
        ("after_train_iter", 3, 1, 4, 2),
        ("after_run", 4, 2, 4, 2),
    ]
    assert (run.rank, run.world_size, run.distributed, run.work_dir) == (0, 1, False, str(tmp_path))
    assert (run.val_loop, run.test_loop) == (None, None)


def test_a_message_hubs_and_a_configs_attributes(tmp_path):
    hub = MessageHub("names")
    assert dict(hub.log_scalars) == {}
    assert dict(hub.runtime_info) == {}
    (tmp_path / "cfg.yaml").write_text("vars: {a: 1}\n")
    cfg = Config.fromfile(tmp_path / "cfg.yaml")
    assert (cfg.filename, cfg.text, cfg.pretty_text) == (
        str(tmp_path / "cfg.yaml"),
        "vars: {a: 1}\n",
        "vars:\n  a: 1\n",
    )
