"""Optimizers: one, or several by name; a missing type that the keys tell; arguments that need each other."""

from __future__ import annotations

import pytest

ONE = "optim_wrapper: {optimizer: {type: SGD, lr: 0.1%s}}"
SEVERAL = """
optim_wrapper:
  type: OptimWrapperDict
  generator: {optimizer: {type: Adam, lr: 0.1}%s}
  discriminator: {type: AmpOptimWrapper, optimizer: {type: SGD, lr: 0.1}, dtype: bfloat16%s}
"""


def at(path, code="optimizer-arguments", severity="error"):
    return [(code, f"optim_wrapper.{path}", severity)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (", nesterov: true", at("optimizer.nesterov")),
        (", nesterov: true, momentum: 0.0", at("optimizer.nesterov")),
        (", nesterov: true, momentum: 0.9, dampening: 0.1", at("optimizer.nesterov")),
        (", nesterov: true, momentum: 0.9", []),
        (", nesterov: false", []),
        (", nesterov: true, momentum: x", at("optimizer.momentum", "wrong-type")),
        (", foreach: true, fused: true", at("optimizer.fused")),
        (", foreach: true, fused: false", []),
        (", fused: true, differentiable: true", at("optimizer.differentiable")),
    ],
)
def test_arguments(marked, more, expected):
    assert marked(ONE % more) == expected


@pytest.mark.parametrize(
    ("generator", "discriminator", "expected"),
    [
        ("", "", []),
        (", modules: [a, b.c], accumulative_counts: 2, clip_grad: {max_norm: 1}", ", modules: d", []),
        (", modules: []", "", at("generator.modules", "out-of-range")),
        (
            ", paramwise_cfg: {custom_keys: {'a.*': {lr_mult: 1}}}",
            "",
            at("generator.paramwise_cfg.custom_keys.a.*", "custom-key-pattern", "warning"),
        ),
        (", clip_grad: {type: norm}", "", at("generator.clip_grad.max_norm", "clipping-limit")),
        ("", ", clip_grad: {clip_value: 1}", at("discriminator.clip_grad.clip_value", "clipping-limit")),
        ("", ", loss_scal: dynamic", at("discriminator.loss_scal", "unknown-key")),
        (", constructor: LayerDecayOptimizerConstructor, paramwise_cfg: {decay_rate: 0.9}", "", []),
        (
            ", constructor: LayerDecayOptimizerConstructor, paramwise_cfg: {decay_rte: 0.9}",
            "",
            at("generator.paramwise_cfg.decay_rte", "unknown-key"),
        ),
    ],
)
def test_several(marked, generator, discriminator, expected):
    assert [
        (code, path.replace('"', ""), severity) for code, path, severity in marked(SEVERAL % (generator, discriminator))
    ] == expected


def test_rules_look_into_each_of_several(marked):
    assert marked((SEVERAL % ("", "")).replace("bfloat16", "float16"), device="cpu") == at(
        "discriminator.dtype", "half-precision", "warning"
    )
    text = (SEVERAL % ("", "")).replace("{type: SGD, lr: 0.1}", "{type: SGD, lr: 0.1, nesterov: true}")
    assert marked(text) == at("discriminator.optimizer.nesterov")
    assert marked(SEVERAL % ("", "") + "  paramwise_cfg: {bias_lr_mult: 1}") == at("paramwise_cfg")
    schedules = "\nparam_scheduler: {generator: {type: PolyLR}, discriminater: [{type: PolyLR}]}"
    assert marked(SEVERAL % ("", "") + schedules) == [("optimizer-name", "param_scheduler.discriminater", "error")]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "optim_wrapper: {optimizer: {type: SGD, lr: 0.1}, dtype: bfloat16}",
            "optim_wrapper.type",
            "missing; 'AmpOptimWrapper' takes 'dtype': write type: AmpOptimWrapper",
        ),
        (
            "optim_wrapper: {generator: {optimizer: {type: SGD}}, critic: {optimizer: {type: Adam}}}",
            "optim_wrapper.type",
            "missing; 'OptimWrapperDict' takes 'generator', 'critic': write type: OptimWrapperDict",
        ),
        (
            "data_preprocessor: {mean: [1], std: [1]}",
            "data_preprocessor.type",
            "missing; 'ImgDataPreprocessor' takes 'mean', 'std': write type: ImgDataPreprocessor",
        ),
    ],
)
def test_a_type_that_the_keys_tell(found, text, path, message):
    problems = found(text)
    assert [(problem.code, problem.path, problem.message) for problem in problems] == [("missing-key", path, message)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{optimizer: {type: SGD}, dtipe: bfloat16}", [("unknown-key", "optim_wrapper.dtipe", "error")]),
        ("{optimizr: {type: SGD}}", [("unknown-key", "optim_wrapper.optimizr", "error")]),
        (
            "{optimizer: {type: SGD}, dtype: bfloat}",
            [("missing-key", "optim_wrapper.type", "error"), ("not-allowed", "optim_wrapper.dtype", "error")],
        ),
    ],
)
def test_keys_that_tell_nothing(marked, text, expected):
    assert marked(f"optim_wrapper: {text}") == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("optimizer_type: AdamW, lr: 0.1, betas: [0.9, 0.99]", []),
        ("optimizer_type: AdamW, lrr: 0.1", at("optimizer.lrr", "unknown-key")),
        ("optimizer_type: AdamWW, lr: 0.1", at("optimizer.optimizer_type", "unknown-type")),
        ("optimizer_type: AdamW, lr: x", at("optimizer.lr", "wrong-type")),
        ("lr: 0.1", at("optimizer.optimizer_type", "missing-key")),
    ],
)
def test_an_optimizer_that_names_another(marked, arguments, expected):
    assert marked(f"optim_wrapper: {{optimizer: {{type: ZeroRedundancyOptimizer, {arguments}}}}}") == expected
