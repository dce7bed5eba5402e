"""Metrics that something waits for against what the validation yields, as the metrics declare it."""

from __future__ import annotations

import pytest

from runner.evaluator import BaseMetric
from runner.hooks import Hook
from runner.plugin import Entry

UNKNOWN = ("unknown-metric", "default_hooks.checkpoint.save_best", "error")


def saving(metric):
    rule = "less" if "loss" in metric else "greater"
    return f"default_hooks: {{checkpoint: {{save_best: {metric}, rule: {rule}}}}}\n"


ROWS = {
    "what a metric yields": ("{type: Accuracy}", "accuracy/top1", []),
    "without its prefix": ("{type: Accuracy}", "top1", [UNKNOWN]),
    "misspelt": ("{type: Accuracy}", "accuracy/topp1", [UNKNOWN]),
    "an argument's values": ("{type: Accuracy, topk: [1, 5]}", "accuracy/top5", []),
    "no value of the argument": ("{type: Accuracy, topk: [1, 5]}", "accuracy/top3", [UNKNOWN]),
    "a prefix of one's own": ("{type: Accuracy, prefix: val}", "val/top1", []),
    "the prefix that was replaced": ("{type: Accuracy, prefix: val}", "accuracy/top1", [UNKNOWN]),
    "one of several metrics": ("[{type: Accuracy}, {type: ConfusionMatrix}]", "confusion_matrix/result", []),
    "none of several metrics": ("[{type: Accuracy}, {type: ConfusionMatrix}]", "confusion/result", [UNKNOWN]),
    "within an evaluator": ("{type: Evaluator, metrics: [{type: Accuracy}]}", "accuracy/top2", [UNKNOWN]),
    "whatever comes first": ("{type: Accuracy}", "auto", []),
    "one of two": ("{type: Accuracy}", "[accuracy/top1, accuracy/f1]", [(UNKNOWN[0], UNKNOWN[1] + ".1", "error")]),
    "an evaluator with a problem": ("{type: Accuracy, topk: x}", "loss", [("not-allowed", "val_evaluator.topk", "error")]),
    "the model's own loss": ("{type: Accuracy}", "val_loss", []),
    "one of the model's own losses": ("{type: Accuracy}", "loss_cls", [(*UNKNOWN[:2], "warning")]),
    "an unknown metric": ("{type: Nobodys}", "loss", [("unknown-type", "val_evaluator.type", "error")]),
}  # fmt: skip


@pytest.mark.parametrize(("evaluator", "metric", "expected"), ROWS.values(), ids=ROWS)
def test_the_best_checkpoint(marked, evaluator, metric, expected):
    found = marked(f"val_evaluator: {evaluator}\n{saving(metric)}")
    assert [(path, severity) for _, path, severity in found] == [(path, severity) for _, path, severity in expected]
    assert all(code == wanted for (code, *_), (wanted, *_) in zip(found, expected, strict=True) if wanted == UNKNOWN[0])


@pytest.mark.parametrize(
    ("metric", "suggestion"), [("top1", "accuracy/top1"), ("acuracy/top1", "accuracy/top1"), ("x", None)]
)
def test_the_suggestion_is_a_whole_name(found, metric, suggestion):
    (problem,) = found(saving(metric))
    assert problem.suggestion == suggestion
    assert "'accuracy/top1'" in problem.message


class Declared(BaseMetric):
    """Yields names that are known in part."""

    default_prefix = "iou"
    yields = ("mean", "class_*", "at_{low}_{high}")

    def __init__(self, low: float = 0.5, high: list[float] | None = None, prefix: str | None = None):
        super().__init__(prefix=prefix)
        self.low, self.high = low, high

    def process(self, data_batch, data_samples):
        """Nothing."""

    def compute_metrics(self, results):
        return {}


class Overriding(Declared):
    """Yields something else than its base declares."""

    def compute_metrics(self, results):
        return {"other": 0.0}


class Undeclared(BaseMetric):
    """Declares nothing."""

    def process(self, data_batch, data_samples):
        """Nothing."""

    def compute_metrics(self, results):
        return {"anything": 0.0}


class Prefixing(Declared):
    """Chooses its prefix itself."""

    yields = ("mean",)

    def __init__(self):
        super().__init__(prefix="chosen")

    compute_metrics = Declared.compute_metrics


class StopHook(Hook):
    """Waits for a metric."""

    def __init__(self, monitor: str = "loss", patience: int = 5):
        self.monitor, self.patience = monitor, patience


@pytest.fixture
def with_own(catalog):
    own = catalog.copy()
    for kind, classes in {"metric": [Declared, Overriding, Undeclared, Prefixing], "hook": [StopHook]}.items():
        for cls in classes:
            target = f"{cls.__module__}:{cls.__name__}"
            own.add(Entry(kind=kind, name=cls.__name__, plugin="local", target=target, obj=cls))
    return own


OWN = {
    "declared": ("{type: Declared, high: [0.75, 0.9]}", {"iou/mean": True, "iou/class_cat": True, "iou/at_0.5_0.9": True, "iou/at_0.5_1": False, "mean": False}),
    "an argument without a value": ("{type: Declared}", {"anything": True}),
    "no declaration": ("{type: Undeclared}", {"anything": True}),
    "a declaration that no longer holds": ("{type: Overriding, high: [1]}", {"anything": True}),
    "a prefix that can't be seen": ("{type: Prefixing}", {"chosen/mean": True, "mean": True, "chosen/meen": False}),
    "one known, one not": ("[{type: Accuracy}, {type: Undeclared}]", {"anything": True}),
}  # fmt: skip


@pytest.mark.parametrize(("evaluator", "metrics"), OWN.values(), ids=OWN)
def test_a_metric_of_ones_own(found, with_own, evaluator, metrics):
    for metric, fine in metrics.items():
        problems = found(f"val_evaluator: {evaluator}\n{saving(metric)}", catalog=with_own)
        assert [problem.code for problem in problems] == ([] if fine else ["unknown-metric"])


@pytest.mark.parametrize(
    ("hook", "path"),
    [
        ("{type: StopHook, monitor: accuracy/top1}", None),
        ("{type: StopHook, monitor: accuracy}", "custom_hooks.0.monitor"),
        ("{type: StopHook}", "custom_hooks.0"),
    ],
)
def test_whoever_monitors(found, with_own, hook, path):
    problems = found(f"custom_hooks: [{hook}]", catalog=with_own)
    assert [problem.path for problem in problems] == ([] if path is None else [path])


DIRECTIONS = {
    "a name that tells": ("monitor: accuracy/top1", "save_best: accuracy/top1", []),
    "a name that says nothing": ("monitor: confusion_matrix/result", "save_best: confusion_matrix/result", ["custom_hooks.0.monitor", "default_hooks.checkpoint.save_best"]),
    "a rule": ("monitor: confusion_matrix/result, rule: less", "save_best: confusion_matrix/result, rule: greater", []),
    "keys": ("monitor: accuracy/top1", "save_best: confusion_matrix/result, greater_keys: [result]", []),
    "keys of which none fits": ("monitor: accuracy/top1", "save_best: accuracy/top1, greater_keys: [mAP]", ["default_hooks.checkpoint.save_best"]),
    "the first one": ("monitor: accuracy/top1", "save_best: auto", []),
    "a rule that the name is against": ("monitor: accuracy/top1, rule: less", "save_best: [val_loss, accuracy/top1], rule: [greater, greater]", ["custom_hooks.0.rule?", "default_hooks.checkpoint.rule.0?"]),
    "a rule for both": ("monitor: val_loss, rule: less", "save_best: [val_loss, accuracy/top1], rule: less", ["default_hooks.checkpoint.rule?"]),
}  # fmt: skip


@pytest.mark.parametrize(("stopping", "saving", "paths"), DIRECTIONS.values(), ids=DIRECTIONS)
def test_whether_more_is_better_is_told(marked, stopping, saving, paths):
    problems = marked(
        "val_evaluator: [{type: Accuracy}, {type: ConfusionMatrix}]\n"
        f"custom_hooks: [{{type: EarlyStoppingHook, {stopping}}}]\ndefault_hooks: {{checkpoint: {{{saving}}}}}\n"
    )
    assert problems == [
        ("metric-direction", path.rstrip("?"), "warning" if path.endswith("?") else "error") for path in paths
    ]


NAMES = {"top1_error": [], "mape": [], "loss_acc": [], "mse": [], "val/acc": ["metric-direction"], "f1": []}


@pytest.mark.parametrize(("name", "codes"), NAMES.items(), ids=NAMES)
def test_a_plateau_takes_less_for_better_where_the_name_does_not_say_more(found, with_own, name, codes):
    problems = found(
        f"val_evaluator: {{type: Undeclared}}\nparam_scheduler: {{type: ReduceOnPlateauLR, monitor: {name}}}",
        catalog=with_own,
    )
    assert [problem.code for problem in problems] == codes


ADAPTER = "model: {type: ModuleAdapter, module: {type: nn.Linear, in_features: 2, out_features: 2}, targets: y%s}\n"
ADAPTED = {
    "predictions that the losses tell": (", loss: {type: nn.CrossEntropyLoss}", "error"),
    "classes": (", loss: null, predictions: classes", "error"),
    "whatever the module gives": (", loss: null", "warning"),
}


@pytest.mark.parametrize(("arguments", "severity"), ADAPTED.values(), ids=ADAPTED)
def test_an_adapter_says_whether_it_gives_losses_with_its_predictions(marked, arguments, severity):
    found = marked(ADAPTER % arguments + saving("loss"))
    assert [each for each in found if each[0] == "unknown-metric"] == [(*UNKNOWN[:2], severity)]


NO_VALIDATION = "val_dataloader: null\nval_cfg: null\nval_evaluator: null\n"


def test_without_validation_nothing_is_best(marked):
    path = "default_hooks.checkpoint.save_best"
    assert marked(NO_VALIDATION + saving("auto")) == [("metric-without-validation", path, "warning")]
    assert marked(NO_VALIDATION + "default_hooks: {checkpoint: {interval: 1}}") == []
    loop = "train_cfg: {type: KFoldTrainLoop, max_epochs: 2}\n"  # which validates as it likes
    assert marked(NO_VALIDATION + loop + saving("auto")) == []


def test_a_validation_that_is_half_there_is_that_problem_alone(found):
    assert [problem.code for problem in found("val_evaluator: null\n" + saving("auto"))] == ["not-built-together"]
