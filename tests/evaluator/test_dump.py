from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from runner.evaluator import DumpResults, Evaluator

RESULTS = [
    {"scores": torch.tensor([0.25, 0.75]), "label": np.int64(1)},
    {"scores": torch.tensor([1.0, 0.0]), "label": 0},
]


def dumped(file):
    evaluator = Evaluator({"type": "DumpResults", "out_file_path": str(file)})
    evaluator.process(RESULTS[:1])
    evaluator.process(RESULTS[1:])
    assert evaluator.evaluate(2) == {}
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    return file


def read_npz(file):
    with np.load(file) as arrays:
        return [{"scores": arrays["scores"][index], "label": arrays["label"][index]} for index in range(2)]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.pkl", lambda file: pickle.loads(file.read_bytes())),
        ("a.pickle", lambda file: pickle.loads(file.read_bytes())),
        ("a.pt", lambda file: torch.load(file, weights_only=True)),
        ("a.json", lambda file: json.loads(file.read_text())),
        ("a.npz", read_npz),
    ],
)
def test_results_read_back_are_what_the_model_returned(tmp_path, name, read):
    read_back = read(dumped(tmp_path / "made" / name))
    assert [np.asarray(each["scores"]).tolist() for each in read_back] == [[0.25, 0.75], [1.0, 0.0]]
    assert [int(each["label"]) for each in read_back] == [1, 0]


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"must end with one of \.pkl, \.pickle, \.pt, \.json, \.npz"):
        DumpResults("results.txt")


def test_what_a_file_cannot_hold_is_named_and_leaves_no_file(tmp_path):
    metric = DumpResults(str(tmp_path / "a.npz"))
    metric.process(None, [{"boxes": np.zeros((1, 4))}, {"boxes": np.zeros((2, 4))}])
    with pytest.raises(ValueError, match="'boxes' is no array of one shape"):
        metric.evaluate(2)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="one entry a sample"):
        metric.process(None, {"boxes": 1})


@pytest.mark.world_size(2)
def test_the_results_of_all_processes_are_in_the_datasets_order(tmp_path):
    from runner.dist import barrier, get_rank

    file = tmp_path / "a.json"
    metric = DumpResults(str(file))
    metric.process(None, [[0, 2], [1, 3]][get_rank()])
    assert metric.evaluate(3) == {}
    barrier()
    assert json.loads(file.read_text()) == [0, 1, 2]
