"""One mistake is one problem, and its message says what to do: cases that were found by mutating the examples."""

from __future__ import annotations

import difflib

import pytest

LOADER = "{sampler: {type: DefaultSampler}, dataset: {type: Digits}}"
OPTIMIZER = "optimizer: {type: SGD, lr: 0.1}"
TRAINING = f"model: {{type: SmallConvNet}}\ntrain_dataloader: {LOADER}\ntrain_cfg: {{by_epoch: true, max_epochs: 3}}\n"

ROWS = {
    "a field in another": (f"{TRAINING}val_cfg: null\nrandomness: {{optim_wrapper: {{{OPTIMIZER}}}}}",
        "unknown-key", "randomness.optim_wrapper", None, "belongs to the top"),
    "the model in another": ("randomness: {model: {type: SmallConvNet}}",
        "unknown-key", "randomness.model", None, "belongs to the top"),
    "a required argument one level up": (f"{TRAINING}optim_wrapper: {{type: OptimWrapper}}\noptimizer: {{type: SGD}}",
        "unknown-key", "optimizer", None, "belongs to optim_wrapper"),
    "a type one level up": (
        ("model: {type: SmallConvNet}\nval_cfg: {}\nval_evaluator: {type: Accuracy}\n"
        "val_dataloader: {sampler: {shuffle: false}, type: DefaultSampler, dataset: {type: Digits}}"),
        "unknown-key", "val_dataloader.type", None, "belongs to val_dataloader.sampler"),
    "local code under a wrong name": ("model: {type: Nowhere}\ncustom_import: {imports: [./model.py]}",
        "unknown-key", "custom_import", "custom_imports", "did you mean"),
    "local code in a wrong form": ("model: {type: Nowhere}\ncustom_imports: [./model.py]",
        "wrong-type", "custom_imports", None, "expected a mapping"),
    "a key that is no text": ("model: {type: SmallConvNet, 3: 4}", "non-string-key", "model.3", None, "quotes"),
    "a fraction below a bound": ("model: {type: SmallConvNet, width: -1.0}", "wrong-type", "model.width", None, "-1"),
    "two letters, one wrong": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: SGD, la: 1}}}}",
        "unknown-key", "optim_wrapper.optimizer.la", "lr", "did you mean"),
    "two letters, swapped": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: SGD, rl: 1}}}}",
        "unknown-key", "optim_wrapper.optimizer.rl", "lr", "did you mean"),
    "a key that is not there before one that is": (
        f"{TRAINING}optim_wrapper: {{type: AmpOptimWrapper, tdype: float16, {OPTIMIZER}}}",
        "unknown-key", "optim_wrapper.tdype", "dtype", "did you mean"),
    "a type in another case": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: Adamw}}}}",
        "unknown-type", "optim_wrapper.optimizer.type", "AdamW", "did you mean"),
    "a qualified type": ("model: {type: vision.SmallConvNt}",
        "unknown-type", "model.type", "vision.SmallConvNet", "did you mean"),
    "a qualified type's plugin": ("model: {type: vison.SmallConvNet}",
        "unknown-type", "model.type", "vision.SmallConvNet", "did you mean"),
    "an installed component of another kind": ("model: {type: Accuracy}",
        "unknown-type", "model.type", None, "'Accuracy' is a metric, and a model is needed"),
    "a component by its bare name": ("model: {type: SmallConvNet}\ncustom_hooks: [MisclassifiedHook]",
        "wrong-type", "custom_hooks.0", None, "write {type: MisclassifiedHook}"),
    "underscores in a number": ("model: {type: SmallConvNet, width: 1_000}",
        "wrong-type", "model.width", None, "write 1000"),
    "a word of Python for a number": ("model: {type: SmallConvNet, dropout: nan}",
        "wrong-type", "model.dropout", None, "found the string 'nan'"),
    "a quoted truth value": ("model: {type: SmallConvNet}\nrandomness: {deterministic: 'true'}",
        "wrong-type", "randomness.deterministic", None, "remove the quotes"),
    "a base below the top": ("model: {type: SmallConvNet, _base_: x.yaml}",
        "unknown-key", "model._base_", None, "top of a file"),
    "a learning rate": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: SGD, lr: -1}}}}",
        "out-of-range", "optim_wrapper.optimizer.lr", None, "at least 0"),
    "a beta": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: Adam, betas: [2, 0.9]}}}}",
        "out-of-range", "optim_wrapper.optimizer.betas.0", None, "below 1"),
    "clipping without a limit": (f"{TRAINING}optim_wrapper: {{{OPTIMIZER}, clip_grad: {{}}}}",
        "clipping-limit", "optim_wrapper.clip_grad.max_norm", None, "'norm' needs it"),
    "clipping by value without a limit": (f"{TRAINING}optim_wrapper: {{{OPTIMIZER}, clip_grad: {{type: value}}}}",
        "clipping-limit", "optim_wrapper.clip_grad.clip_value", None, "'value' needs it"),
    "a limit of the other way of clipping": (f"{TRAINING}optim_wrapper: {{{OPTIMIZER}, clip_grad: {{clip_value: 1}}}}",
        "clipping-limit", "optim_wrapper.clip_grad.clip_value", None, "belongs to 'type: value'"),
    "a weight decay": (f"{TRAINING}optim_wrapper: {{optimizer: {{type: AdamW, weight_decay: -1}}}}",
        "out-of-range", "optim_wrapper.optimizer.weight_decay", None, "at least 0"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "path", "suggestion", "said"), ROWS.values(), ids=ROWS)
def test_one_mistake_is_one_problem_that_says_what_to_do(problems_of, text, code, path, suggestion, said):
    (problem,) = problems_of(text)
    assert (problem.code, problem.path, problem.suggestion) == (code, path, suggestion)
    assert said in problem.message


def test_a_key_misspelt_in_an_override_is_found_although_the_right_one_is_there(problems_of):
    text = f"{TRAINING}optim_wrapper: {{{OPTIMIZER}}}"
    (problem,) = problems_of(text, overrides=["optim_wrapper.optimizer.lrr=1"])
    assert (problem.path, problem.suggestion) == ("optim_wrapper.optimizer.lrr", "lr")


def test_thousands_of_unknown_keys_are_compared_with_few_names_each(problems_of, monkeypatch):
    """Comparing each of 20,000 with each field's name by difflib took over a minute."""
    compared = 0
    ratio = difflib.SequenceMatcher.ratio

    def counted(self):
        nonlocal compared
        compared += 1
        return ratio(self)

    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", counted)
    problems = problems_of(TRAINING + "".join(f"key_number_{number}: 1\n" for number in range(20_000)))
    assert len(problems) == 20_001
    assert compared < 20_000
