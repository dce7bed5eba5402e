"""Intervals, loaders, optimizers, hooks, devices and paths: each mistake beside a neighbour that is none."""

from __future__ import annotations

import pytest

from runner.hooks import Hook
from runner.plugin import Entry

ITERATIONS = "train_cfg: {by_epoch: false, max_iters: 1000%s}\n"
LOADER = "train_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}, %s}\n"
STREAM = "train_dataloader: {dataset: {type: ChainDataset, datasets: [{type: Digits}]}, %s}\n"
ENDLESS = "{dataset: {type: Digits}, sampler: {type: InfiniteSampler}%s}\n"
WRAPPER = "optim_wrapper: {optimizer: {type: SGD, lr: 0.1}, %s}\n"
CHECKPOINT = "default_hooks: {checkpoint: {%s}}\n"
CUSTOM = WRAPPER % "paramwise_cfg: {custom_keys: {%s: {lr_mult: 0.1}}}"
NO_VALIDATION = "val_dataloader: null\nval_cfg: null\nval_evaluator: null\n"
LATE, UNIT, WORKERS = "interval-beyond-run", "by-epoch-unit", "workers-needed"
SAVES = "default_hooks.checkpoint"

BACK = "custom_hooks: [{type: NaNGuardHook, policy: rollback}]\n"
NOTHING = [("nothing-to-go-back-to", "custom_hooks.0.policy", "error")]

ROWS = {
    "back to a checkpoint of each epoch": (BACK, []),
    "back in a run that saves none": ("default_hooks: {checkpoint: null}\n" + BACK, NOTHING),
    "back in a run that saves the last one": (CHECKPOINT % "interval: -1" + BACK, NOTHING),
    "back in a run that saves the best one": (
        CHECKPOINT % "interval: -1" + "custom_hooks: [{type: LossSpikeHook, policy: rollback}]",
        NOTHING,
    ),
    "back in a run that goes on": ("default_hooks: {checkpoint: null}\nresume: true\n" + BACK, []),
    "back in a run that goes on from a step": (CHECKPOINT % "interval: -1" + "resume: 12\n" + BACK, []),
    "back in a run that does not go on": ("default_hooks: {checkpoint: null}\nresume: false\n" + BACK, NOTHING),
    "back in a run that begins with weights": ("default_hooks: {checkpoint: null}\nload_from: best.pth\n" + BACK, NOTHING),
    "a spike in a run that saves none": ("default_hooks: {checkpoint: null}\ncustom_hooks: [{type: LossSpikeHook}]", []),
    "back to one of each minute": (CHECKPOINT % "interval: -1, interval_minutes: 1" + BACK, []),
    "back to one of the only interval": (CHECKPOINT % "interval: 12" + BACK, NOTHING),
    "back to one of an epoch in a run by iterations": (ITERATIONS % "" + BACK, NOTHING),
    "back to one of some iterations": (ITERATIONS % "" + CHECKPOINT % "interval: 100, by_epoch: false" + BACK, []),
    "checkpoints as far apart as the run": (CHECKPOINT % "interval: 12", []),
    "checkpoints further apart": (CHECKPOINT % "interval: 13", [(LATE, f"{SAVES}.interval", "warning")]),
    "only the last one": (CHECKPOINT % "interval: -1", []),
    "a first one in the end": (CHECKPOINT % "interval: 20, save_begin: 12", []),
    "a first one after it": (CHECKPOINT % "interval: 2, save_begin: 13", [(LATE, f"{SAVES}.save_begin", "warning")]),
    "checkpoints by iterations": (CHECKPOINT % "interval: 5000, by_epoch: false", []),
    "iterations further apart than the run": (
        ITERATIONS % "" + CHECKPOINT % "interval: 1001, by_epoch: false",
        [(LATE, f"{SAVES}.interval", "warning")],
    ),
    "epochs in a run by iterations": (ITERATIONS % "" + CHECKPOINT % "interval: 100", [(UNIT, f"{SAVES}.interval", "error")]),
    "one epoch in a run by iterations": (ITERATIONS % "" + CHECKPOINT % "interval: 1", [(UNIT, f"{SAVES}.interval", "warning")]),
    "no interval in a run by iterations": (ITERATIONS % "" + CHECKPOINT % "max_keep_ckpts: 1", []),
    "a log by epochs in a run by iterations": (
        ITERATIONS % "" + "log_processor: {by_epoch: true}",
        [(UNIT, "log_processor.by_epoch", "warning")],
    ),
    "steps that may be divided": ("train_cfg: {by_epoch: true, max_epochs: 12, on_oom: split}", []),
    "steps that may be divided, of several optimizers": (
        (
            "train_cfg: {by_epoch: true, max_epochs: 12, on_oom: split}\n"
            "optim_wrapper: {type: OptimWrapperDict, a: {optimizer: {type: SGD}}, b: {optimizer: {type: SGD}}}"
        ),
        [("oom-split", "train_cfg.on_oom", "error")],
    ),
    "steps that may be divided, and wait for each other": (
        "train_cfg: {by_epoch: true, max_epochs: 12, on_oom: split}\nsync_bn: torch",
        [("oom-split", "train_cfg.on_oom", "error")],
    ),
    "a log by iterations in a run by epochs": ("log_processor: {by_epoch: false}", []),
    "an average that begins in the end": ("custom_hooks: [{type: EMAHook, begin_epoch: 12}]", []),
    "an average that begins after it": (
        "custom_hooks: [{type: EMAHook, begin_epoch: 13}]",
        [(LATE, "custom_hooks.0.begin_epoch", "error")],
    ),
    "an average that begins after all iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: EMAHook, begin_iter: 1001}]",
        [(LATE, "custom_hooks.0.begin_iter", "error")],
    ),
    "a mean of the last epoch": ("custom_hooks: [{type: SWAHook, swa_begin: 11}]", []),
    "a mean of none": ("custom_hooks: [{type: SWAHook, swa_begin: 12}]", [(LATE, "custom_hooks.0.swa_begin", "error")]),
    "a mean of a share": ("custom_hooks: [{type: SWAHook, swa_begin: 0.9}]", []),
    "a mean at too long intervals": (
        "custom_hooks: [{type: SWAHook, interval: 5}]",
        [(LATE, "custom_hooks.0", "error")],
    ),
    "a mean by epochs in a run by iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: SWAHook}]",
        [(UNIT, "custom_hooks.0", "error")],
    ),
    "a mean by iterations": (ITERATIONS % "" + "custom_hooks: [{type: SWAHook, by_epoch: false, swa_begin: 900}]", []),
    "frozen in the last epoch": ("custom_hooks: [{type: FreezeHook, modules: a, begin: 11}]", []),
    "frozen after it": (
        "custom_hooks: [{type: FreezeHook, modules: a, begin: 12}]",
        [(LATE, "custom_hooks.0.begin", "error")],
    ),
    "frozen after all iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: FreezeHook, modules: a, begin: 1000, by_epoch: false}]",
        [(LATE, "custom_hooks.0.begin", "error")],
    ),
    "frozen for some epochs of a run by iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: FreezeHook, modules: a, end: 2}]",
        [(UNIT, "custom_hooks.0", "error")],
    ),
    "frozen throughout a run by iterations": (ITERATIONS % "" + "custom_hooks: [{type: FreezeHook, modules: a}]", []),
    "accumulation by epochs in a run by iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: GradientAccumulationScheduler, schedule: [[0, 1], [4, 2]]}]",
        [(UNIT, "custom_hooks.0", "error")],
    ),
    "one accumulation throughout": (
        ITERATIONS % "" + "custom_hooks: [{type: GradientAccumulationScheduler, schedule: [[0, 2]]}]",
        [],
    ),
    "other transforms in an epoch of a run by iterations": (
        ITERATIONS % "" + "custom_hooks: [{type: SwitchPipelineHook, switch_epoch: 4, switch_pipeline: []}]",
        [(UNIT, "custom_hooks.0", "error")],
    ),
    "two averages": (
        "custom_hooks: [{type: EMAHook}, {type: SWAHook}]",
        [("exclusive-hooks", "custom_hooks.1", "error")],
    ),
    "one epoch profiled": ("custom_hooks: [{type: ProfilerHook}]", []),
    "two epochs profiled": (
        "custom_hooks: [{type: ProfilerHook, profile_times: 2}]",
        [("profiler-window", "custom_hooks.0.profile_times", "error")],
    ),
    "more profiled than there is": (
        ITERATIONS % "" + "custom_hooks: [{type: ProfilerHook, by_epoch: false, profile_times: 1001}]",
        [("profiler-window", "custom_hooks.0.profile_times", "error")],
    ),
    "a whole run profiled": (
        ITERATIONS % "" + "custom_hooks: [{type: ProfilerHook}]",
        [(UNIT, "custom_hooks.0", "warning")],
    ),
    "a cycle that fits": (
        "custom_hooks: [{type: ProfilerHook, by_epoch: false, profile_times: 6, schedule: {wait: 1, warmup: 2, active: 3}}]",
        [],
    ),
    "a cycle that is cut short": (
        "custom_hooks: [{type: ProfilerHook, by_epoch: false, profile_times: 5, schedule: {wait: 1, warmup: 2, active: 3}}]",
        [("profiler-window", "custom_hooks.0.schedule", "warning")],
    ),
    "nothing profiled": (
        "custom_hooks: [{type: ProfilerHook, activity_with_cpu: false}]",
        [("profiler-window", "custom_hooks.0.activity_with_cpu", "error")],
    ),
    "checkpoints in a store": (
        CHECKPOINT % "out_dir: 's3://bucket/runs'",
        [],
    ),
    "checkpoints on the web": (
        CHECKPOINT % "out_dir: 'https://example.org/runs'",
        [("remote-checkpoints", f"{SAVES}.out_dir", "error")],
    ),
    "checkpoints where nobody knows": (
        CHECKPOINT % "out_dir: 's4://bucket/runs'",
        [("remote-checkpoints", f"{SAVES}.out_dir", "error")],
    ),
    "checkpoints behind a chain of drivers": (
        CHECKPOINT % "out_dir: 'simplecache::s3://bucket/runs'",
        [("remote-checkpoints", f"{SAVES}.out_dir", "error")],
    ),
    "a driver that is not installed": (
        CHECKPOINT % "out_dir: 'oss://bucket/runs'" + "\nload_from: oss://bucket/runs/epoch_1.pth",
        [("remote-checkpoints", f"{SAVES}.out_dir", "error"), ("remote-checkpoints", "load_from", "error")],
    ),
    "both names of one argument": (
        "default_hooks: {logger: {out_dir: logs, file_client_args: {}, backend_args: {}}}",
        [("exclusive-arguments", "default_hooks.logger.backend_args", "error")],
    ),
    "validations further apart than the run": (
        "train_cfg: {by_epoch: true, max_epochs: 12, val_interval: 13}",
        [(LATE, "train_cfg.val_interval", "warning")],
    ),
    "a validation at the end": ("train_cfg: {by_epoch: true, max_epochs: 12, val_interval: 12}", []),
    "an interval that changes": ("train_cfg: {by_epoch: true, max_epochs: 12, val_interval: 99, dynamic_intervals: [[6, 1]]}", []),
    "an interval that nobody wrote": (ITERATIONS % "", []),
    "a first validation after the run": (
        "train_cfg: {by_epoch: true, max_epochs: 12, val_begin: 13}",
        [(LATE, "train_cfg.val_begin", "warning")],
    ),
    "no validation, whatever its interval": (
        NO_VALIDATION + "train_cfg: {by_epoch: true, max_epochs: 12, val_interval: 13}",
        [],
    ),
    "views that nothing merges": ("tta_pipeline: [{type: ToTensor}]", [("not-built-together", "tta_pipeline", "warning")]),
    "a merger without views": ("tta_model: {type: AverageClsScoreTTA}", [("not-built-together", "tta_model", "warning")]),
    "views and a merger": ("tta_model: {type: AverageClsScoreTTA}\ntta_pipeline: [{type: ToTensor}]", []),
    "persistent without workers": (LOADER % "persistent_workers: true", [(WORKERS, "train_dataloader.persistent_workers", "error")]),
    "prefetching without workers": (LOADER % "num_workers: 0, prefetch_factor: 2", [(WORKERS, "train_dataloader.prefetch_factor", "error")]),
    "a way to start no workers": (LOADER % "multiprocessing_context: spawn", [(WORKERS, "train_dataloader.multiprocessing_context", "error")]),
    "workers": (LOADER % "num_workers: 1, persistent_workers: true, prefetch_factor: 2", []),
    "not persistent": (LOADER % "persistent_workers: false, prefetch_factor: null", []),
    "workers, misspelt": (LOADER % "num_worker: 1, persistent_workers: true", [("unknown-key", "train_dataloader.num_worker", "error")]),
    "workers that are wrong": (LOADER % "num_workers: x, persistent_workers: true", [("wrong-type", "train_dataloader.num_workers", "error")]),
    "dropping beside batches": (
        LOADER % "batch_sampler: {type: BatchSampler, drop_last: true}, drop_last: true",
        [("batch-sampler-overrides", "train_dataloader.drop_last", "error")],
    ),
    "dropping within": (LOADER % "batch_size: 4, batch_sampler: {type: BatchSampler, drop_last: true}", []),
    "dropping without": (LOADER % "drop_last: true", []),
    "an endless epoch": ("train_dataloader: " + ENDLESS % "", [("endless-sampler", "train_dataloader.sampler.type", "error")]),
    "endless iterations": (ITERATIONS % "" + "train_dataloader: " + ENDLESS % "", []),
    "an endless validation": ("val_dataloader: " + ENDLESS % "", [("endless-sampler", "val_dataloader.sampler.type", "error")]),
    "an endless validation by iterations": (
        ITERATIONS % "" + "val_dataloader: " + ENDLESS % "",
        [("endless-sampler", "val_dataloader.sampler.type", "error")],
    ),
    "a batch sampler, which may end": (
        "train_dataloader: " + ENDLESS % ", batch_sampler: {type: BatchSampler, drop_last: true}",
        [],
    ),
    "a sampler of a stream": (
        STREAM % "sampler: {type: DefaultSampler}, num_batch_per_epoch: 3",
        [("iterable-dataset", "train_dataloader.num_batch_per_epoch", "error"), ("iterable-dataset", "train_dataloader.sampler", "error")],
    ),
    "a stream": (STREAM % "sampler: null, batch_size: null", []),
    "samples in turn": ("train_dataloader: {dataset: {type: Digits}, sampler: null}", []),
    "no batches to drop": (
        LOADER % "batch_size: null, drop_last: true, batch_sampler: null",
        [("no-batches", "train_dataloader.drop_last", "error")],
    ),
    "no batches to sample": (
        LOADER % "batch_size: null, batch_sampler: {type: BatchSampler, drop_last: true}",
        [("no-batches", "train_dataloader.batch_sampler", "error")],
    ),
    "a batch that is given": (
        LOADER % "collate_fn: {type: pseudo_collate, data_batch: []}",
        [("injected-argument", "train_dataloader.collate_fn.data_batch", "error")],
    ),
    "a worker that is given": (
        LOADER % "num_workers: 1, worker_init_fn: {type: worker_init_fn, worker_id: 1}",
        [("injected-argument", "train_dataloader.worker_init_fn.worker_id", "error")],
    ),
    "a bound argument": (LOADER % "num_workers: 1, worker_init_fn: {type: worker_init_fn, torch_num_threads: 2}", []),
    "a part of a name": (CUSTOM % "classifier", []),
    "a part with dots": (CUSTOM % '".norm"', []),
    "all names": (CUSTOM % '""', [("custom-key-pattern", "optim_wrapper.paramwise_cfg.custom_keys.", "warning")]),
    "a glob": (CUSTOM % '"head.*"', [("custom-key-pattern", "optim_wrapper.paramwise_cfg.custom_keys.head.*", "warning")]),
    "a regular expression": (CUSTOM % '"^head"', [("custom-key-pattern", "optim_wrapper.paramwise_cfg.custom_keys.^head", "warning")]),
    "a name that no module can have": (CUSTOM % '"a..b"', [("custom-key-pattern", "optim_wrapper.paramwise_cfg.custom_keys.a..b", "error")]),
    "a second saver": ("default_hooks: {saver: {type: CheckpointHook}}", [("duplicate-hook", "default_hooks.saver", "warning")]),
    "the saver under another name": ("default_hooks: {saver: {type: CheckpointHook}, checkpoint: null}", []),
    "a saver of one's own": ("custom_hooks: [{type: CheckpointHook, by_epoch: false, interval: 9}]", []),
    "a second stepper": ("custom_hooks: [{type: ParamSchedulerHook}]", [("duplicate-hook", "custom_hooks.0", "warning")]),
    "another hook": ("default_hooks: {worst: {type: MisclassifiedHook}}", []),
    "nccl alone": ("env_cfg: {dist_cfg: {backend: nccl}}", [("backend-without-gpu", "env_cfg.dist_cfg.backend", "warning")]),
    "nccl with a launcher": ("launcher: pytorch\nenv_cfg: {dist_cfg: {backend: nccl}}", []),
    "gloo alone": ("env_cfg: {dist_cfg: {backend: gloo}}", []),
    "scaling by nothing": ("auto_scale_lr: {enable: true}", [("missing-base-batch-size", "auto_scale_lr.base_batch_size", "error")]),
    "scaling": ("auto_scale_lr: {enable: true, base_batch_size: 64}", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ROWS.values(), ids=ROWS)
def test_a_run_of_twelve_epochs(marked, text, expected):
    assert marked(text) == expected


DEVICES = {
    "cpu": (True, True),
    "cuda:1": (False, False),
    "auto": (False, False),
    None: (False, False),
}


@pytest.mark.parametrize(("device", "expected"), DEVICES.items(), ids=map(str, DEVICES))
def test_what_a_device_can_do(marked, device, expected):
    text = (
        "launcher: pytorch\nenv_cfg: {dist_cfg: {backend: nccl}}\n" + WRAPPER % "type: AmpOptimWrapper, dtype: float16"
    )
    assert marked(text, device=device) == [
        *([("backend-without-gpu", "env_cfg.dist_cfg.backend", "error")] if expected[0] else []),
        *([("half-precision", "optim_wrapper.dtype", "warning")] if expected[1] else []),
    ]


class AveragingHook(Hook):
    """Begins at an epoch or at an iteration."""

    def __init__(self, begin_iter: int = 0, begin_epoch: int = 0):
        self.begin_iter, self.begin_epoch = begin_iter, begin_epoch


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("begin_iter: 100", []),
        ("begin_iter: 0, begin_epoch: 2", []),
        ("begin_iter: 100, begin_epoch: 2", [("exclusive-arguments", "custom_hooks.0.begin_epoch", "error")]),
        ("begin_iter: x, begin_epoch: 2", [("wrong-type", "custom_hooks.0.begin_iter", "error")]),
    ],
)
def test_two_ways_to_begin(marked, catalog, arguments, expected):
    own = catalog.copy()
    own.add(Entry(kind="hook", name="AveragingHook", plugin="local", target="x:AveragingHook", obj=AveragingHook))
    assert marked(f"custom_hooks: [{{type: AveragingHook, {arguments}}}]", catalog=own) == expected


class OptimWrapperDict:
    """Holds optimizers by name."""

    def __init__(self, **optim_wrapper_dict: object):
        self.optim_wrappers = optim_wrapper_dict


def test_schedules_by_the_name_of_an_optimizer(found, catalog):
    own = catalog.copy()
    entry = Entry(kind="optim_wrapper", name="Several", plugin="local", target="x:Several", obj=OptimWrapperDict)
    own.add(entry)
    wrapper = "optim_wrapper: {type: Several, generator: {optimizer: {type: SGD}}, critic: {optimizer: {type: SGD}}}\n"
    schedules = "param_scheduler: {generator: {type: PolyLR}, critick: {type: PolyLR}}"
    problems = [problem for problem in found(wrapper + schedules, catalog=own) if problem.code == "optimizer-name"]
    assert [(problem.path, problem.suggestion) for problem in problems] == [("param_scheduler.critick", "critic")]


def test_a_checkpoint_to_go_on_from(marked, tmp_path):
    there = tmp_path / "there.pth"
    there.touch()
    assert marked(f"resume: true\nload_from: {there}") == []
    assert marked("resume: true\nload_from: s3://bucket/x.pth") == []
    assert marked("load_from: nowhere.pth") == []
    assert marked("resume: true\nload_from: nowhere.pth") == [("path-not-found", "load_from", "warning")]
    assert marked("load_from: nowhere.pth", check_paths=True) == [("path-not-found", "load_from", "error")]


@pytest.mark.parametrize(
    ("dataset", "missing"),
    [
        ("{type: CIFAR10, root: nowhere}", ["root"]),
        ("{type: CIFAR10, root: nowhere, download: true}", []),
        ("{type: CIFAR10, root: .}", []),
        ("{type: ImageFolder, root: nowhere}", ["root"]),
        ("{type: Digits}", []),
        ("{type: CIFAR10, root: [nowhere]}", None),
    ],
)
def test_the_data(marked, dataset, missing):
    text = f"train_dataloader: {{sampler: {{type: DefaultSampler}}, dataset: {dataset}}}"
    asked, unasked = marked(text, check_paths=True), marked(text)
    if missing is None:
        assert asked == unasked != []
        return
    assert unasked == []
    assert asked == [("path-not-found", f"train_dataloader.dataset.{name}", "error") for name in missing]


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ("data_root: {folder}, ann_file: train.json", []),
        ("data_root: {folder}, ann_file: val.json", ["ann_file"]),
        ("ann_file: {folder}/train.json", []),
        ("data_root: nowhere", ["data_root"]),
        ("data_root: s3://bucket/data, ann_file: train.json", []),
        ("data_root: {folder}, ann_file: far.json, backend_args: {{backend: s3}}", []),
    ],
)
def test_annotations_lie_below_the_root(marked, tmp_path, arguments, missing):
    (tmp_path / "train.json").write_text("{}")
    dataset = f"{{type: BaseDataset, {arguments.format(folder=tmp_path)}}}"
    text = f"train_dataloader: {{sampler: {{type: DefaultSampler}}, dataset: {dataset}}}"
    found = [each for each in marked(text, check_paths=True) if each[0] == "path-not-found"]
    assert found == [("path-not-found", f"train_dataloader.dataset.{name}", "error") for name in missing]


@pytest.mark.parametrize(
    ("init_cfg", "missing"),
    [
        ("{type: Pretrained, checkpoint: nowhere.pth}", "checkpoint"),
        ("{type: Pretrained, checkpoint: {folder}/there.pth}", None),
        ("{type: Pretrained, checkpoint: 'https://host/weights.pth'}", None),
        ("{type: Pretrained, checkpoint: 'torchvision://resnet50'}", None),
        ("[{type: Normal, layer: Linear}, {type: Pretrained, checkpoint: nowhere.pth}]", "1.checkpoint"),
        (
            "{type: Normal, layer: Linear, override: {name: fc, type: Pretrained, checkpoint: a.pth}}",
            "override.checkpoint",
        ),
    ],
)
def test_weights_to_begin_with(marked, tmp_path, init_cfg, missing):
    (tmp_path / "there.pth").touch()
    module = "module: {type: nn.Linear, in_features: 4, out_features: 2}, loss: {type: nn.MSELoss}"
    text = f"model: {{type: ModuleAdapter, {module}, init_cfg: {init_cfg.replace('{folder}', str(tmp_path))}}}"
    assert marked(text) == []
    expected = [] if missing is None else [("path-not-found", f"model.init_cfg.{missing}", "error")]
    assert marked(text, check_paths=True) == expected


def test_a_data_set_that_filters_nothing_says_which_one_does(found):
    dataset = "{type: BaseDataset, ann_file: a.json, filter_cfg: {filter_empty_gt: true}}"
    (problem,) = found(f"train_dataloader: {{sampler: {{type: DefaultSampler}}, dataset: {dataset}}}")
    assert (problem.code, problem.path) == ("wrong-type", "train_dataloader.dataset.filter_cfg")
    assert "derive a class whose filter_data() chooses" in problem.message


def test_what_is_written_need_not_be_there(marked):
    text = "work_dir: nowhere\ndefault_hooks: {checkpoint: {out_dir: nowhere}}\nresume: 300\n"
    assert marked(text, check_paths=True) == []
    assert marked("work_dir: nowhere\nresume: best.pth", check_paths=True) == [("path-not-found", "resume", "error")]


def test_nothing_is_said_of_a_config_that_is_not_whole(catalog, complete):
    from runner.config import compose
    from runner.validation import check

    text = complete("_base_: nowhere.yaml\n" + LOADER % "persistent_workers: true" + CHECKPOINT % "save_best: auto")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("val_"))
    assert {problem.code for problem in check(compose("cfg.yaml", text=text), catalog)} == {"base-not-found"}
