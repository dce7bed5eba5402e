"""torchmetrics' own numbers, from each way in which a model says what it predicts."""

from __future__ import annotations

import pytest
import torch

from runner.evaluator import Evaluator, TorchMetric

torchmetrics = pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")

SCORES = torch.softmax(torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), 1)
LABELS = torch.arange(10) % 3


def accuracy(**options):
    return torchmetrics.classification.MulticlassAccuracy(num_classes=3, average="micro", **options)


def expected():
    metric = accuracy()
    metric.update(SCORES, LABELS)
    return float(metric.compute())


WAYS = {
    "tensors": ({}, (None, LABELS), list(SCORES)),
    "mappings": ({}, None, [{"pred_score": s, "gt_label": t} for s, t in zip(SCORES, LABELS, strict=True)]),
    "a mapping as batch": ({}, {"labels": LABELS}, [{"pred_score": each} for each in SCORES]),
    "classes": ({}, (None, LABELS), SCORES.argmax(1).tolist()),
    "keys of one's own": (
        {"preds": "said", "target": "true"},
        {"true": LABELS},
        [{"said": each} for each in SCORES],
    ),
    "a position of one's own": ({"target": 0}, (LABELS, None), list(SCORES)),
    "small chunks": ({"chunk_size": 3}, (None, LABELS), list(SCORES)),
}


@pytest.mark.parametrize(("options", "batch", "samples"), WAYS.values(), ids=WAYS)
def test_the_same_number(options, batch, samples):
    evaluator = Evaluator(TorchMetric(accuracy(), **options))
    evaluator.process(samples, batch)
    assert evaluator.evaluate(10) == {"MulticlassAccuracy": pytest.approx(expected(), abs=1e-7)}
    evaluator.process(samples, batch)
    assert evaluator.evaluate(10)["MulticlassAccuracy"] == pytest.approx(expected(), abs=1e-7)


def test_several_results_and_names():
    both = torchmetrics.MetricCollection({"a": accuracy(), "b": accuracy(top_k=2)})
    evaluator = Evaluator([TorchMetric(both, prefix="all"), TorchMetric(accuracy(), name="acc")])
    evaluator.process(list(SCORES), (None, LABELS))
    assert list(evaluator.evaluate(10)) == ["all/a", "all/b", "acc"]


@pytest.mark.world_size(2)
def test_what_processes_repeat_counts_once():
    from runner.dist import get_rank

    mine = torch.arange(get_rank(), 9, 2).tolist() + ([0] if get_rank() else [])
    evaluator = Evaluator(TorchMetric(accuracy()))
    evaluator.process([SCORES[each] for each in mine], (None, LABELS[mine]))
    metric = accuracy()
    metric.update(SCORES[:9], LABELS[:9])
    assert evaluator.evaluate(9) == {"MulticlassAccuracy": pytest.approx(float(metric.compute()), abs=1e-7)}


def test_mistakes_are_named():
    with pytest.raises(TypeError, match="int has no update, compute, reset"):
        TorchMetric(3)
    metric = TorchMetric(accuracy())
    with pytest.raises(ValueError, match=r"no truth in the batch, a dict.*say where it is with target"):
        metric.process({"x": 1}, list(SCORES))
    with pytest.raises(ValueError, match="returned 10 samples for a batch of 9 truths"):
        metric.process((None, LABELS[:9]), list(SCORES))


def test_it_is_named_in_a_config_alone():
    from runner.config import compose
    from runner.validation import check

    text = """
custom_imports:
  components: {model: {MulticlassAccuracy: "torchmetrics.classification:MulticlassAccuracy"}}
test_evaluator: {type: TorchMetric, metric: {type: MulticlassAccuracy, num_clases: 3}}
"""
    codes = {(problem.code, problem.path) for problem in check(compose("cfg.yaml", text=text))}
    assert ("unknown-key", "test_evaluator.metric.num_clases") in codes
    assert not {code for code, path in codes if path.startswith("test_evaluator") and code == "unknown-type"}
