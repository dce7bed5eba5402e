"""What is logged and measured: each mistake beside a neighbour that is none."""

from __future__ import annotations

import pytest

LOG = "log_processor: {custom_cfg: [%s]}\n"
ITERATIONS = "train_cfg: {by_epoch: false, max_iters: 1000}\n"
MEAN = "{data_src: loss, method_name: mean, window_size: 5}"
LOW = "{data_src: loss, method_name: min, window_size: epoch, log_name: low}"
PLACE = "log_processor.custom_cfg"

ROWS = {
    "a value and another of its own name": (LOG % f"{MEAN}, {LOW}", []),
    "two in place of one": (LOG % f"{MEAN}, {MEAN}", [("log-named-twice", f"{PLACE}.1.data_src", "error")]),
    "one name for two": (LOG % f"{LOW}, {LOW}", [("log-named-twice", f"{PLACE}.1.log_name", "error")]),
    "a name that another value has": (
        LOG % f"{MEAN}, {LOW.replace('low', 'loss')}",
        [("log-named-twice", f"{PLACE}.1.log_name", "error")],
    ),
    "an epoch's window where iterations count": (
        ITERATIONS + f"log_processor: {{by_epoch: false, custom_cfg: [{LOW}]}}",
        [("log-window", f"{PLACE}.0.window_size", "error")],
    ),
    "a pattern": ("log_processor: {mean_pattern: 'loss|time'}", []),
    "no pattern": ("log_processor: {mean_pattern: '*loss*'}", [("log-pattern", "log_processor.mean_pattern", "error")]),
    "two backends": ("visualizer: {vis_backends: [{type: LocalVisBackend}, {type: TensorboardVisBackend}]}", []),
    "one backend twice": (
        "visualizer: {vis_backends: [{type: LocalVisBackend}, {type: LocalVisBackend, img_save_dir: x}]}",
        [("duplicate-backend", "visualizer.vis_backends.1", "error")],
    ),
    "metrics with prefixes": ("val_evaluator: [{type: Accuracy}, {type: Accuracy, prefix: other}]", []),
    "metrics of other names": ("val_evaluator: [{type: Accuracy}, {type: Accuracy, topk: 2}]", []),
    "a metric twice": (
        "val_evaluator: [{type: Accuracy}, {type: Accuracy, topk: [1, 2]}]",
        [("metric-named-twice", "val_evaluator.1", "error")],
    ),
    "a metric twice in an evaluator": (
        "val_evaluator: {type: Evaluator, metrics: [{type: Accuracy}, {type: Accuracy}]}",
        [("metric-named-twice", "val_evaluator.metrics.1", "error")],
    ),
    "two that write files": (
        "val_evaluator: [{type: Accuracy}, {type: DumpResults, out_file_path: a.pkl}, {type: DumpResults, out_file_path: b.npz}]",
        [],
    ),
    "a file of an unknown kind": (
        "val_evaluator: {type: DumpResults, out_file_path: a.txt}",
        [("not-allowed", "val_evaluator.out_file_path", "error")],
    ),
    "a config's copy in another language": (
        "visualizer: {vis_backends: [{type: LocalVisBackend, config_save_file: config.py}]}",
        [("not-allowed", "visualizer.vis_backends.0.config_save_file", "error")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), ROWS.values(), ids=ROWS)
def test_rows(marked, text, expected):
    assert marked(text) == expected
