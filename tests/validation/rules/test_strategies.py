"""Strategies: what says twice how the model is spread, and weights that nobody draws."""

from __future__ import annotations

import pytest

FSDP, TENSOR = "strategy: {type: FSDPStrategy%s}", "strategy: {type: TensorParallelStrategy, plan: {a: colwise}%s}"
WRAPPER = "model_wrapper_cfg: {type: MMFullyShardedDataParallel}"


def at(path, code="strategy-arguments"):
    return [(code, path, "error")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FSDP % ", model_wrapper: {}, modules: [a]", at("strategy.modules")),
        (FSDP % ", model_wrapper: {}, replicas: 2", at("strategy.replicas")),
        (FSDP % ", model_wrapper: {}, replicas: 1, cpu_offload: false", []),
        (FSDP % ", modules: [a], replicas: 2", []),
        (f"{FSDP % ''}\n{WRAPPER}", at("model_wrapper_cfg")),
        (f"{TENSOR % ''}\n{WRAPPER}", at("model_wrapper_cfg")),
        (f"{FSDP % ''}\nsync_bn: torch", at("sync_bn")),
        (f"{FSDP % ''}\nfind_unused_parameters: false", []),
        (WRAPPER, []),
        ("strategy: {type: DDPStrategy}\nmodel_wrapper_cfg: {type: MMDistributedDataParallel}", []),
        ("strategy: {type: DDPStrategy, model_wrapper: {}}\nmodel_wrapper_cfg: {}", at("model_wrapper_cfg")),
        (FSDP % ", tensor_parallel_size: 2", at("strategy.tensor_parallel_plan")),
        (FSDP % ", tensor_parallel_plan: {a: rowwise}", at("strategy.tensor_parallel_size")),
        (FSDP % ", tensor_parallel_size: 2, tensor_parallel_plan: {a: rowwise}", []),
        (FSDP % ", tensor_parallel_size: x", at("strategy.tensor_parallel_size", "wrong-type")),
        (TENSOR % ", tensor_parallel_size: 2", []),
    ],
)
def test_said_once(marked, text, expected):
    assert marked(text) == expected


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("{a: colwise, 'b.*': {type: rowwise, input_layouts: replicate, output_layouts: 1}}", []),
        ("{a: columnwise}", "not-allowed"),
        ("{a: {type: sequence, sequence_dmi: 1}}", "unknown-key"),
    ],
)
def test_the_styles_of_a_plan(marked, plan, expected):
    found = marked(f"strategy: {{type: TensorParallelStrategy, plan: {plan}}}")
    assert [code for code, _, _ in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("more", "is_found"),
    [("", True), ("resume: false", True), ("resume: true", False), ("load_from: a.pth", False), ("load_fro: a", False)],
)
def test_weights_that_nobody_draws(marked, more, is_found):
    found = marked(f"{FSDP % ', skip_init_weights: true'}\n{more}")
    assert (("skip-init-weights", "strategy.skip_init_weights", "error") in found) == is_found
