from __future__ import annotations

import numpy as np
import pytest
import torch

from runner.evaluator import BaseMetric, Evaluator, get_metric_value
from runner.registry import METRICS


class Mean(BaseMetric):
    # The names of the arguments differ on purpose.
    def process(self, batch, outputs):
        self.results.extend(outputs)

    def compute_metrics(self, results):
        return {"mean": sum(results) / len(results), "size": len(results)}


class Prefixed(Mean):
    default_prefix = "toy"


def test_metrics_are_computed_from_all_batches_and_forgotten():
    evaluator = Evaluator([Mean()])
    evaluator.process(data_samples=[1.0, 2.0], data_batch=None)
    evaluator.process(data_samples=(3.0,), data_batch=None)
    assert evaluator.evaluate(3) == {"mean": 2.0, "size": 3}
    evaluator.process([5.0])
    assert evaluator.evaluate(1) == {"mean": 5.0, "size": 1}


def test_what_exceeds_the_dataset_is_dropped():
    evaluator = Evaluator(Mean())
    evaluator.process([1.0, 3.0, 100.0])
    assert evaluator.evaluate(2)["mean"] == 2.0


@pytest.mark.world_size(2)
def test_results_of_all_processes_are_gathered_and_padding_is_dropped():
    from runner.dist import get_rank

    evaluator = Evaluator(Mean())
    # Three samples for two processes: the fourth repeats one.
    evaluator.process(
        [torch.tensor(1.0), torch.tensor(3.0)] if get_rank() == 0 else [torch.tensor(2.0), torch.tensor(1.0)]
    )
    assert evaluator.evaluate(3) == {"mean": 2.0, "size": 3}


def test_prefixes_tell_metrics_apart():
    evaluator = Evaluator([Mean(), Prefixed(), Mean(prefix="other")])
    evaluator.process([2.0])
    metrics = evaluator.evaluate(1)
    assert list(metrics) == ["mean", "size", "toy/mean", "toy/size", "other/mean", "other/size"]


def test_two_metrics_of_one_name_are_an_error():
    evaluator = Evaluator([Mean(), Mean()])
    evaluator.process([2.0])
    with pytest.raises(
        ValueError, match=r"Mean \(metrics.1\) returns \['mean', 'size'\], which Mean \(metrics.0\) .*prefix"
    ):
        evaluator.evaluate(1)


def test_values_become_plain_numbers():
    class Values(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(data_samples[0])

        def compute_metrics(self, results):
            assert all(each.device.type == "cpu" for each in results)
            return {
                "tensor": results[0],
                "numpy": np.float32(0.5),
                "array": np.array([2]),
                "matrix": torch.eye(2),
                "text": "x",
            }

    evaluator = Evaluator(Values())
    evaluator.process([torch.tensor([1.5])])
    metrics = evaluator.evaluate(1)
    assert [type(metrics[name]) for name in ("tensor", "numpy", "array")] == [float, float, int]
    assert metrics["matrix"].tolist() == [[1, 0], [0, 1]]
    assert metrics["text"] == "x"


def test_a_metric_without_results_is_named(capsys):
    class Empty(Mean):
        def compute_metrics(self, results):
            return {}

    assert Evaluator(Empty()).evaluate(3) == {}
    assert "Empty got no results" in capsys.readouterr().out


def test_outputs_reach_the_metric_as_a_list_of_mappings():
    class Element:
        metainfo_keys = ()

        def to_dict(self):
            return {"score": 1}

    seen = []

    class Spy(Mean):
        def process(self, batch, outputs):
            seen.append((batch, outputs))

    evaluator = Evaluator(Spy())
    evaluator.process((Element(), 2), "batch")
    evaluator.process({"a": 1})
    assert seen == [("batch", [{"score": 1}, 2]), (None, {"a": 1})]


def test_kept_outputs_are_evaluated_in_chunks():
    class Chunks(Mean):
        def process(self, batch, outputs):
            self.results.append(list(zip(batch or [], outputs, strict=False)))

        def compute_metrics(self, results):
            return {"chunks": len(results)}

    evaluator = Evaluator(Chunks())
    assert evaluator.offline_evaluate([1, 2, 3], data=[4, 5, 6], chunk_size=2) == {"chunks": 2}
    with pytest.raises(ValueError, match="got 2 and 3"):
        evaluator.offline_evaluate([1, 2, 3], data=[4, 5])
    with pytest.raises(ValueError, match="chunk_size must be at least 1"):
        evaluator.offline_evaluate([1], chunk_size=0)


def test_kept_data_reaches_the_metrics_as_a_batch_does():
    batches = []

    class Seen(Mean):
        def process(self, batch, outputs):
            batches.append(batch)
            self.results.extend(outputs)

    data = [{"inputs": torch.zeros(2), "name": "a"}, {"inputs": torch.ones(3), "name": "b"}]
    assert Evaluator(Seen()).offline_evaluate([1, 2], data, chunk_size=2) == {"mean": 1.5, "size": 2}
    (batch,) = batches
    assert batch["name"] == ["a", "b"]
    assert [len(each) for each in batch["inputs"]] == [2, 3]


def test_metrics_are_built_from_mappings():
    METRICS.register_module(name="MeanOfTest", module=Mean, force=True)
    evaluator = Evaluator([{"type": "MeanOfTest", "prefix": "p"}])
    assert evaluator.metrics[0].prefix == "p"
    evaluator.dataset_meta = {"classes": ["a"]}
    assert evaluator.metrics[0].dataset_meta == {"classes": ["a"]}


def test_the_collecting_device_is_checked():
    with pytest.raises(ValueError, match="'cpu' or 'gpu'"):
        Mean(collect_device="disk")
    with pytest.raises(ValueError, match="goes with collect_device 'cpu'"):
        Mean(collect_device="gpu", collect_dir="x")


@pytest.mark.world_size(2)
def test_collecting_leaves_nothing_on_the_disk(tmp_path):
    import os

    from runner.dist import barrier

    os.chdir(tmp_path)
    evaluator = Evaluator(Mean(collect_dir="collected"))
    evaluator.process([1.0])
    assert evaluator.evaluate(2)["size"] == 2
    barrier()
    assert not list(tmp_path.iterdir())


def test_a_metric_is_found_by_its_full_or_short_name():
    metrics = {"toy/acc": 1.0, "a/map": 2.0, "b/map": 3.0}
    assert get_metric_value("toy/acc", metrics) == get_metric_value("acc", metrics) == 1.0
    with pytest.raises(ValueError, match="several"):
        get_metric_value("map", metrics)
    with pytest.raises(ValueError, match="the metrics are"):
        get_metric_value("c/map", metrics)
