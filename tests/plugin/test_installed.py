"""A plugin package, built and installed by pip, adds components, checks, commands and configs."""

from __future__ import annotations

import json

import pytest

CONFIG = """\
model: {type: Line}

train_dataloader:
  batch_size: 4
  collate_fn: default_collate
  sampler: {type: DefaultSampler, shuffle: true}
  dataset:
    type: Blobs
    size: 16
train_cfg:
  type: PatientTrainLoop
  max_epochs: 5
  patience: 2
optim_wrapper:
  optimizer: {type: SGD, lr: 0.1}

val_dataloader:
  batch_size: 4
  collate_fn: default_collate
  sampler: {type: DefaultSampler, shuffle: false}
  dataset: {type: Blobs}
val_cfg: {}
val_evaluator: {type: Hits}

custom_hooks:
  - type: NoteHook
    file: seen.json
randomness: {seed: 0}
"""

TYPES = [
    ("model.type", "Line", 1, 15),
    ("train_dataloader.dataset.type", "Blobs", 8, 11),
    ("train_cfg.type", "PatientTrainLoop", 11, 9),
    ("val_dataloader.dataset.type", "Blobs", 21, 19),
    ("val_evaluator.type", "Hits", 23, 23),
    ("custom_hooks.0.type", "NoteHook", 26, 11),
]


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "cfg.yaml"
    file.write_text(CONFIG)
    return str(file)


def problems(done):
    return json.loads(done.stdout)["problems"]


def test_a_config_that_uses_it_is_in_order(with_blobs, config):
    done = with_blobs.runner("validate", config)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "no problems" in done.stdout


@pytest.mark.parametrize(
    ("override", "code", "path", "suggestion"),
    [
        ("custom_hooks.0.fil=x", "unknown-key", "custom_hooks.0.fil", "file"),
        ("train_cfg.patiense=1", "unknown-key", "train_cfg.patiense", "patience"),
        ("train_cfg.val_intervall=1", "unknown-key", "train_cfg.val_intervall", "val_interval"),
        ("val_evaluator.type=Hit", "unknown-type", "val_evaluator.type", "Hits"),
        ("train_dataloader.dataset.size=many", "wrong-type", "train_dataloader.dataset.size", None),
    ],
)
def test_its_constructors_are_the_schema(with_blobs, config, override, code, path, suggestion):
    done = with_blobs.runner("validate", config, "--format", "json", "-o", override)
    (problem,) = problems(done)
    assert (problem["code"], problem["path"], problem["suggestion"]) == (code, path, suggestion)
    assert (problem["file"], problem["line"]) == ("<command line>", 1)
    assert done.returncode == 1


def test_a_run_builds_and_uses_all_of_it(with_blobs, config, tmp_path):
    done = with_blobs.runner("train", config, "--work-dir", str(tmp_path / "run"), "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    note = json.loads((tmp_path / "run" / "seen.json").read_text())
    assert (note["epochs"], note["loop"]) == (2, "PatientTrainLoop")
    assert 0 <= note["metrics"]["hits"] <= 1
    assert (tmp_path / "run" / "epoch_2.pth").exists()


def test_it_is_listed_with_what_it_offers(with_blobs):
    done = with_blobs.runner("plugins", "--format", "json")
    listed = json.loads(done.stdout)
    (plugin,) = [row for row in listed["plugins"] if row["name"] == "blobs"]
    assert plugin == {
        "name": "blobs",
        "module": "runner_blobs.plugin",
        "distribution": "runner-blobs",
        "version": "0.1.0",
        "error": None,
        "components": 5,
    }
    assert (listed["ok"], listed["problems"], done.returncode) == (True, [], 0)
    rows = json.loads(with_blobs.runner("components", "hook", "--format", "json").stdout)
    assert {
        "kind": "hook",
        "name": "NoteHook",
        "plugin": "blobs",
        "target": "runner_blobs.components:NoteHook",
        "summary": "Write down what was trained and measured.",
    } in rows


def test_its_own_check_is_asked(with_blobs, config):
    done = with_blobs.runner("validate", config, "--format", "json", "-o", "train_dataloader.dataset.size=15")
    (problem,) = problems(done)
    assert (problem["code"], problem["path"], problem["message"]) == (
        "odd-blobs",
        "train_dataloader.dataset.size",
        "15 is odd",
    )
    assert (problem["file"], problem["line"], problem["column"]) == ("<command line>", 1, 31)
    assert done.returncode == 1


def test_its_commands_are_commands(with_blobs):
    done = with_blobs.runner("count-blobs", "--number", "3")
    assert (done.returncode, done.stdout) == (0, "3 blobs\n")
    assert with_blobs.runner("fail-blobs").returncode == 1
    shown = with_blobs.runner("--help").stdout
    assert "Count blobs." in shown
    assert "Train what a config describes." in shown
    assert "did you mean 'count-blobs'?" in with_blobs.runner("count-blob").stderr


@pytest.mark.parametrize("package", ["blobs", "runner_blobs"])
def test_its_configs_can_be_built_upon(with_blobs, tmp_path, package):
    file = tmp_path / "cfg.yaml"
    file.write_text(f"_base_: {package}::base.yaml\ntrain_cfg:\n  patience: 1\n")
    assert with_blobs.runner("validate", str(file)).returncode == 0
    shown = with_blobs.runner("show", str(file), "train_cfg", "--format", "json")
    assert json.loads(shown.stdout) == {"type": "PatientTrainLoop", "max_epochs": 5, "patience": 1}
    file.write_text(f"_base_: {package}::bass.yaml\n")
    (problem,) = problems(with_blobs.runner("validate", str(file), "--format", "json"))
    assert (problem["code"], problem["line"], problem["column"]) == ("base-not-found", 1, 9)


def test_after_pip_uninstall_the_config_names_unknown_types(environment, blobs, config):
    environment.install(blobs)
    assert environment.runner("validate", config).returncode == 0
    environment.uninstall("runner-blobs")

    done = environment.runner("validate", config, "--format", "json")
    found = [(each["code"], each["severity"], each["path"], each["line"], each["column"]) for each in problems(done)]
    assert found == [("unknown-type", "error", path, line, column) for path, _, line, column in TYPES]
    assert all(name in each["message"] for each, (_, name, _, _) in zip(problems(done), TYPES, strict=True))
    assert done.returncode == 1

    refused = environment.runner("train", config)
    assert refused.returncode == 1
    assert "cfg.yaml:8:11: error[unknown-type] train_dataloader.dataset.type" in refused.stderr
    assert "    8 |     type: Blobs\n      |           ^^^^^" in refused.stderr

    away = environment.runner("validate", config, "--missing-types", "warn", "--format", "json")
    assert away.returncode == 0
    assert {each["severity"] for each in problems(away)} == {"warning"}
    assert len(problems(away)) == len(TYPES)
