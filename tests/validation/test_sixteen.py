"""Sixteen different mistakes in one config are sixteen problems: each at its place, none of them twice."""

from __future__ import annotations

import re

import pytest

from runner.config import compose
from runner.validation import check, render_json, render_text

BASE = """\
model:
  type: SmallConvNet
  num_classes: 10
optim_wrapper:
  optimizer: {type: SGD, lr: 0.1, momentum: 0.9}
param_scheduler:
  type: LinearLR
  end: 100
"""

CONFIG = """\
_base_: base.yaml
vars:
  images: 16
log_levl: INFO
val_dataloader:
  dataset:
    type: Digits
    splt: val
    transform:
      - type: RandomHorizontalFlp
      - type: ToTensor
  sampler: {type: DefaultSampler, shuffle: false}
  num_workers: two
  batch_size: 0
val_cfg: {}
val_evaluator:
  type: Acuracy
train_cfg:
  type: EpochBasedTrainLoop
  by_epoch: true
  max_epochs: 12
optim_wrapper:
  optimizer:
    momentm: 0.8
  clip_grad:
    max_nrm: 35
  paramwise_cfg:
    custum_keys: {head: {lr_mult: 0.1}}
param_scheduler:
  _delete_: true
  type: MultiStepLR
  by_epoch: true
default_hooks:
  checkpoint:
    intervl: 1
custom_hooks:
  - type: MisclassifiedHook
    num_images: ${vars.imges}
randomness:
  seed: 1
  seed: 2
"""

OVERRIDE = "default_hooks.logger.intervall=50"

MISTAKES = [
    # (what, code, path, text at the place, suggestion)
    ("a top-level typo", "unknown-key", "log_levl", "log_levl:", "log_level"),
    ("a typo in a plugin's argument", "unknown-key", "val_dataloader.dataset.splt", "splt: val", "split"),
    ("a misspelt transform", "unknown-type", "val_dataloader.dataset.transform.0.type", "RandomHorizontalFlp", "RandomHorizontalFlip"),
    ("a wrong type", "wrong-type", "val_dataloader.num_workers", "two", None),
    ("out of range", "out-of-range", "val_dataloader.batch_size", "0", None),
    ("an unknown type", "unknown-type", "val_evaluator.type", "Acuracy", "Accuracy"),
    ("an incomplete triple", "not-built-together", "train_cfg", "train_cfg:", None),
    ("by_epoch beside type", "type-and-by-epoch", "train_cfg.by_epoch", "by_epoch: true", None),
    ("a base's key", "unknown-key", "optim_wrapper.optimizer.momentm", "momentm: 0.8", "momentum"),
    ("clip_grad", "unknown-key", "optim_wrapper.clip_grad.max_nrm", "max_nrm: 35", "max_norm"),
    ("paramwise_cfg", "unknown-key", "optim_wrapper.paramwise_cfg.custum_keys", "custum_keys:", "custom_keys"),
    ("a missing required key", "missing-key", "param_scheduler.milestones", "param_scheduler:", None),
    ("a hook's argument", "unknown-key", "default_hooks.checkpoint.intervl", "intervl: 1", "interval"),
    ("a bad interpolation", "missing-variable", "custom_hooks.0.num_images", "${vars.imges}", "images"),
    ("a duplicate key", "duplicate-key", "randomness.seed", "seed: 2", None),
    ("an override's typo", "unknown-key", "default_hooks.logger.intervall", "intervall=50", "interval"),
]  # fmt: skip


@pytest.fixture
def composition(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "cfg.yaml").write_text(CONFIG)
    return compose("cfg.yaml", overrides=[OVERRIDE])


@pytest.fixture
def problems(composition, catalog):
    return check(composition, catalog)


def test_there_are_exactly_sixteen(problems):
    assert sorted((problem.path, problem.code) for problem in problems) == sorted(
        (path, code) for _, code, path, _, _ in MISTAKES
    )
    assert all(problem.severity == "error" for problem in problems)
    assert len({(problem.origin.file, problem.origin.line) for problem in problems}) == 16


@pytest.mark.parametrize(
    ("code", "path", "text", "suggestion"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_each_stands_at_its_place_with_its_suggestion(composition, problems, code, path, text, suggestion):
    (problem,) = [problem for problem in problems if problem.path == path]
    assert problem.code == code
    lines = composition.sources[problem.origin.file].splitlines()
    assert lines[problem.origin.line - 1][problem.origin.column - 1 :].startswith(text)
    assert problem.suggestion == suggestion


def test_the_one_on_the_command_line_says_so(problems):
    (problem,) = [problem for problem in problems if problem.path.startswith("default_hooks.logger")]
    assert (problem.origin.file, problem.origin.line) == ("<command line>", 1)


def test_text_and_json_agree(composition, problems):
    text = render_text(problems, composition.sources, color=False)
    heads = re.findall(r"^(\S.*?):(\d+):(\d+): (\w+)\[([\w-]+)\] ([\w.]+): (.*)$", text, re.MULTILINE)
    data = render_json(problems)
    assert data["ok"] is False
    assert [
        (row["file"], str(row["line"]), str(row["column"]), row["severity"], row["code"], row["path"], row["message"])
        for row in data["problems"]
    ] == heads
    assert len(heads) == 16
