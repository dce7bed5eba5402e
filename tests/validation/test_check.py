"""What `check` finds in single values: each row a mistake, its code, its place and what is suggested."""

from __future__ import annotations

import pytest

MODEL = "model: {type: SmallConvNet}\n"
TRAIN = (
    "train_cfg: {by_epoch: true, max_epochs: 2}\noptim_wrapper: {optimizer: {type: SGD}}\n"
    "train_dataloader: {dataset: {type: Digits, split: train}, sampler: {type: DefaultSampler}}\n"
)

ROWS = {
    "a field": ("modle: {}\n" + MODEL, "unknown-key", "modle", "model"),
    "a field in another case": (MODEL + "Log_Level: INFO", "unknown-key", "Log_Level", "log_level"),
    "a component's argument": ("model: {type: SmallConvNet, widht: 3}", "unknown-key", "model.widht", "width"),
    "a required field that is misspelt": ("modell: {type: SmallConvNet}", "unknown-key", "modell", "model"),
    "a component without type": ("model: {width: 3}", "missing-key", "model.type", None),
    "a misspelt 'type'": ("model: {tpye: SmallConvNet}", "unknown-key", "model.tpye", "type"),
    "an unknown type": ("model: {type: SmallConvNett, width: 3}", "unknown-type", "model.type", "SmallConvNet"),
    "a component of another kind": ("model: {type: SGD}", "unknown-type", "model.type", None),
    "a name that another kind has, like one of this": (MODEL + TRAIN + "param_scheduler: {type: Constant}", "unknown-type", "param_scheduler.type", "ConstantLR"),
    "a type that is no name": ("model: {type: 3}", "wrong-type", "model.type", None),
    "a component that is no mapping": ("model: SmallConvNet", "wrong-type", "model", None),
    "text for a number": ("model: {type: SmallConvNet, width: '3'}", "wrong-type", "model.width", None),
    "a fraction for an integer": ("model: {type: SmallConvNet, width: 3.0}", "wrong-type", "model.width", None),
    "true for an integer": ("model: {type: SmallConvNet, width: true}", "wrong-type", "model.width", None),
    "null where it is not taken": ("model: {type: SmallConvNet, width: null}", "wrong-type", "model.width", None),
    "below a bound": ("model: {type: SmallConvNet, width: 0}", "out-of-range", "model.width", None),
    "on an excluded bound": ("model: {type: SmallConvNet, dropout: 1.0}", "out-of-range", "model.dropout", None),
    "not a number": ("model: {type: SmallConvNet, dropout: .nan}", "out-of-range", "model.dropout", None),
    "infinity": (MODEL + "env_cfg: {dist_cfg: {timeout: .inf}}", "out-of-range", "env_cfg.dist_cfg.timeout", None),
    "an empty text": (MODEL + "work_dir: ''", "out-of-range", "work_dir", None),
    "no choice": (MODEL + "log_level: debug", "not-allowed", "log_level", "DEBUG"),
    "a field of a field": (MODEL + "env_cfg: {cudnn_benchmrk: true}", "unknown-key", "env_cfg.cudnn_benchmrk", "cudnn_benchmark"),
    "no launcher": (MODEL + "launcher: slrm", "unknown-type", "launcher", "slurm"),
    "a strategy that nobody offers": (MODEL + "strategy: {type: FSDPStrateg}", "unknown-type", "strategy.type", "FSDPStrategy"),
    "a default hook's name": (MODEL + "default_hooks: {checkpont: {interval: 2}}", "unknown-key", "default_hooks.checkpont", "checkpoint"),
    "an argument of a default hook": (MODEL + "default_hooks: {checkpoint: {intervl: 2}}", "unknown-key", "default_hooks.checkpoint.intervl", "interval"),
    "a default loop's argument": (MODEL + "auto_scale_lr: {enabled: true}", "unknown-key", "auto_scale_lr.enabled", "enable"),
    "scaling by nothing": (MODEL + "auto_scale_lr: {enable: true}", "missing-base-batch-size", "auto_scale_lr.base_batch_size", None),
    "a schedule for nothing": (MODEL + "param_scheduler: {type: PolyLR}", "scheduler-without-optimizer", "param_scheduler", None),
    "one of three": (MODEL + "val_cfg: {}", "not-built-together", "val_cfg", None),
    "two of three": (MODEL + "test_evaluator: {type: Accuracy}\ntest_cfg: {}", "not-built-together", "test_cfg", None),
    "a plugin": (MODEL + "default_scope: visoin", "unknown-plugin", "default_scope", "vision"),
    "a name of one's own at the top": (MODEL + "data_root: data", "unknown-key", "data_root", None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "path", "suggestion"), ROWS.values(), ids=ROWS)
def test_one_mistake_is_one_problem_in_its_place(problems_of, text, code, path, suggestion):
    (problem,) = problems_of(text)
    assert (problem.code, problem.path, problem.suggestion) == (code, path, suggestion)
    assert problem.severity == "error"
    last = path.rpartition(".")[2]
    line = text.splitlines()[problem.origin.line - 1][problem.origin.column - 1 :]
    if code in {"unknown-key", "not-built-together"}:
        assert line.startswith(last)


FINE = {
    "the least": MODEL,
    "null fields": MODEL + "train_cfg: null\ndefault_hooks: null\nstrategy: null\nenv_cfg: null",
    "one's own variables": MODEL + "vars: {anything: [1, {type: x}], type: 3}",
    "a hook of one's own": MODEL + "default_hooks: {worst: {type: MisclassifiedHook, priority: LOW}, logger: null}",
    "an evaluator by name": MODEL
    + "val_cfg: {}\nval_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}}\n"
    "val_evaluator: {type: Evaluator, metrics: [{type: Accuracy}]}",
    "an evaluator without a name": MODEL
    + "val_cfg: {}\nval_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}}\n"
    "val_evaluator: {metrics: {type: Accuracy}}",
    "a collate function by name": MODEL + "val_cfg: {}\nval_evaluator: {type: Accuracy}\n"
    "val_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}, collate_fn: default_collate}",
    "qualified names": "model: {type: vision.SmallConvNet}",
    "the runner's name": MODEL + "runner_type: Runner\ndefault_scope: mmengine",
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_is_right_has_no_problem(problems_of, text):
    assert problems_of(text) == []


TRAIN = MODEL + "train_dataloader: {dataset: {type: Digits}, sampler: {type: DefaultSampler}, batch_size: 4}\n"


@pytest.mark.parametrize(
    ("train_cfg", "expected"),
    [
        ("{by_epoch: true, max_epochs: 1}", []),
        ("{by_epoch: false, max_iters: 1}", []),
        ("{type: IterBasedTrainLoop, max_iters: 1}", []),
        ("{max_epochs: 1}", [("missing-key", "train_cfg.type")]),
        ("{by_epok: true, max_epochs: 1}", [("unknown-key", "train_cfg.by_epok")]),
        ("{by_epoch: 1, max_epochs: 1}", [("wrong-type", "train_cfg.by_epoch")]),
        ("{by_epoch: true, max_iters: 1}", [("missing-key", "train_cfg.max_epochs"), ("unknown-key", "train_cfg.max_iters")]),
        ("{by_epoch: true, max_epoch: 1}", [("unknown-key", "train_cfg.max_epoch")]),
        ("{type: EpochBasedTrainLoop, by_epoch: true, max_epochs: 1}", [("type-and-by-epoch", "train_cfg.by_epoch")]),
        ("{by_epoch: true, max_epochs: 1, runner: 3}", [("injected-argument", "train_cfg.runner")]),
    ],
)  # fmt: skip
def test_the_training_loop(problems_of, train_cfg, expected):
    text = TRAIN + f"optim_wrapper: {{optimizer: {{type: SGD, lr: 0.1}}}}\ntrain_cfg: {train_cfg}"
    assert sorted((problem.code, problem.path) for problem in problems_of(text)) == expected


@pytest.mark.parametrize(
    ("optim_wrapper", "expected"),
    [
        ("{type: AmpOptimWrapper, optimizer: {type: AdamW}, dtype: bfloat16}", []),
        ("{optimizer: {type: SGD, lr: 0.1, params: []}}", [("injected-argument", "optim_wrapper.optimizer.params")]),
        ("{optimizer: {type: SGD, lr: 0.1}, clip_grad: {max_norm: 1, norm_typ: 2}}", [("unknown-key", "optim_wrapper.clip_grad.norm_typ")]),
        ("{optimizer: {type: SGD, lr: 0.1}, paramwise_cfg: {norm_decay_mult: 0.0, custom_keys: {head: {lr_mult: 0.1}}}}", []),
        ("{optimizer: {type: SGD, lr: 0.1}, paramwise_cfg: {norm_decay_mlt: 0.0}}", [("unknown-key", "optim_wrapper.paramwise_cfg.norm_decay_mlt")]),
        ("{optimizer: {type: SGD, lr: 0.1}, constructor: DefaultOptimWrapperConstuctor}", [("unknown-type", "optim_wrapper.constructor")]),
        ("{optimiser: {type: SGD, lr: 0.1}}", [("unknown-key", "optim_wrapper.optimiser")]),
        ("{optimiser: {type: SGD, lrr: 0.1}}", [("unknown-key", "optim_wrapper.optimiser"), ("unknown-key", "optim_wrapper.optimiser.lrr")]),
        ("{optimizer: {type: SGD, lr: 0.1}, lr: 0.1}", [("unknown-key", "optim_wrapper.lr")]),
    ],
)  # fmt: skip
def test_the_optimizer_wrapper(problems_of, optim_wrapper, expected):
    text = TRAIN + f"train_cfg: {{by_epoch: true, max_epochs: 1}}\noptim_wrapper: {optim_wrapper}"
    assert sorted((problem.code, problem.path) for problem in problems_of(text)) == expected


@pytest.mark.parametrize(
    ("param_scheduler", "expected"),
    [
        ("{type: MultiStepLR, milestones: [1, 2]}", []),
        ("[{type: LinearLR, begin: 0, end: 2}, {type: CosineAnnealingLR, T_max: 3, convert_to_iter_based: true}]", []),
        ("{generator: {type: PolyLR}, critic: [{type: PolyLR}]}", [("optimizer-name", f"param_scheduler.{name}") for name in ("critic", "generator")]),
        ("{generator: {type: PolyLr}}", [("unknown-type", "param_scheduler.generator.type")]),
        ("{type: MultiStepLR, milestnes: [1, 2]}", [("unknown-key", "param_scheduler.milestnes")]),
        ("[{type: MultiStepLR}, {typ: PolyLR}]", [("missing-key", "param_scheduler.0.milestones"), ("unknown-key", "param_scheduler.1.typ")]),
        ("PolyLR", [("wrong-type", "param_scheduler")]),
    ],
)  # fmt: skip
def test_the_schedulers(problems_of, param_scheduler, expected):
    train = "train_cfg: {by_epoch: true, max_epochs: 3}\noptim_wrapper: {optimizer: {type: SGD, lr: 0.1}}\n"
    found = problems_of(TRAIN + train + f"param_scheduler: {param_scheduler}")
    assert sorted((problem.code, problem.path) for problem in found) == expected


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("{type: Digits, transform: [{type: RandomCrop, size: 28, padding: 2}, {type: ToTensor}]}", []),
        ("{type: Digits, transform: {type: ToTensor}}", []),
        ("{type: Digits, transform: [ToTensor]}", []),
        ("{type: Digits, transform: [{type: RandomCropp, size: 3}]}", [("unknown-type", "dataset.transform.0.type")]),
        ("{type: Digits, transform: [{type: RandomCrop, sise: 3}]}", [("unknown-key", "dataset.transform.0.sise")]),
        ("{type: Digits, transform: [RandomCrop]}", [("missing-key", "dataset.transform.0")]),
        ("{type: Digits, splt: val}", [("unknown-key", "dataset.splt")]),
        ("{type: Digits, split: vall}", [("not-allowed", "dataset.split")]),
    ],
)
def test_what_stands_in_a_dataset(problems_of, dataset, expected):
    text = f"val_dataloader: {{dataset: {dataset}, sampler: {{type: DefaultSampler}}}}\nval_cfg: {{}}\nval_evaluator: {{type: Accuracy}}"
    found = problems_of(MODEL + text)
    assert sorted((problem.code, problem.path.removeprefix("val_dataloader.")) for problem in found) == expected


def test_a_misplaced_key_is_sent_home(problems_of):
    (problem,) = problems_of(
        TRAIN + "train_cfg: {by_epoch: true, max_epochs: 1}\noptim_wrapper: {optimizer: {type: SGD}, lr: 1}"
    )
    assert "it belongs to optim_wrapper.optimizer" in problem.message
    (problem,) = problems_of(MODEL + "cudnn_benchmark: true")
    assert "it belongs to env_cfg" in problem.message


def test_names_of_ones_own_are_sent_to_vars(problems_of):
    (problem,) = problems_of(MODEL + "train_pipeline: []")
    assert "vars.train_pipeline" in problem.message


def test_missing_types_can_be_warnings(problems_of):
    text = "model: {type: NobodyOffersThis, anything: 1}"
    assert [problem.severity for problem in problems_of(text)] == ["error"]
    assert [problem.severity for problem in problems_of(text, missing_types="warning")] == ["warning"]


def test_what_an_anchor_shows_twice_is_said_once(problems_of):
    text = (
        MODEL
        + "vars: {}\nval_dataloader: &loader {dataset: {type: Digits, splt: val}, sampler: {type: DefaultSampler}}\n"
        "test_dataloader: *loader\nval_cfg: {}\ntest_cfg: {}\nval_evaluator: {type: Accuracy}\ntest_evaluator: {type: Accuracy}"
    )
    assert [problem.path for problem in problems_of(text)] == ["val_dataloader.dataset.splt"]


def test_an_interpolated_value_names_where_it_came_from(problems_of):
    (problem,) = problems_of("vars: {width: many}\nmodel: {type: SmallConvNet, width: '${vars.width}'}")
    assert (problem.code, problem.origin.line) == ("wrong-type", 2)
    assert "it came from cfg.yaml:1:15" in problem.message


def test_the_environments_values_are_not_shown(catalog):
    from runner.config import compose
    from runner.validation import check

    composition = compose("cfg.yaml", text=MODEL + "log_level: ${env:SECRET}", environ={"SECRET": "hunter2"})
    (problem,) = check(composition, catalog)
    assert "hunter2" not in problem.message
    assert problem.code == "not-allowed"


@pytest.mark.parametrize("text", [MODEL + "log_level: ${vars.levl}", "model: ${vars.model}", "a: [\n", ""])
def test_what_the_text_has_wrong_is_said_once(problems_of, text):
    assert len(problems_of(text)) == 1


def test_python_objects_pass_where_components_stand(catalog):
    from runner.config import Config
    from runner.validation import check

    class Model:
        def __init__(self, depth: int = 1) -> None:
            self.depth = depth

    assert check(Config({"model": Model()}), catalog) == []
    assert check(Config({"model": {"type": Model, "depth": 2}}), catalog) == []
    (problem,) = check(Config({"model": {"type": Model, "dept": 2}}), catalog)
    assert (problem.code, problem.suggestion) == ("unknown-key", "depth")
